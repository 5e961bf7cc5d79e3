# SPDX-License-Identifier: Apache-2.0
"""Goal: `ingest` takes up what is new and nothing else, names what it cannot read, and loses nothing when it is ended.

Run by ctest: ingest_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

from command_line import BINARY, DOCUMENTS, CommandLine, checked, run


class Ingest(CommandLine):
    def test_ingest_reports_every_file(self):
        self.assertEqual(self.first.returncode, 0, self.first.stderr)
        report = checked(self.first, "ingest")
        self.assertEqual(report["files_added"], len([p for p in DOCUMENTS.rglob("*") if p.is_file()]))
        self.assertGreater(report["nodes_added"], 8)
        self.assertEqual(report["failed"], [])

    def test_ingesting_again_takes_up_only_what_changed(self):
        folder = self.scratch()
        (folder / "docs/sub").mkdir(parents=True)
        (folder / "docs/a.md").write_text(
            "# Apples\n\nApples are kept in the cold cellar. They stay fresh until March.\n"
        )
        (folder / "docs/b.txt").write_text("Pears ripen beside the window of the kitchen.\n")
        (folder / "docs/sub/c.txt").write_text("Plums are dried in the sun for three days.\n")
        kb = folder / "kb"

        def ingest():
            result = run("ingest", folder / "docs", "--kb", kb, "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            return checked(result, "ingest")

        def files():
            return {
                row["file_path"]: row["id"] for row in checked(run("files", "--kb", kb, "--json"), "files")["files"]
            }

        self.assertEqual(ingest()["files_added"], 3)
        again = ingest()
        self.assertEqual((again["files_unchanged"], again["nodes_added"]), (3, 0))
        generation = checked(run("stats", "--kb", kb, "--json"), "stats")["generation"]
        before = files()

        # Same size and time, other content: only the hash tells.
        time_ns = (folder / "docs/b.txt").stat().st_mtime_ns
        (folder / "docs/b.txt").write_text("Limes ripen beside the window of the kitchen.\n")
        os.utime(folder / "docs/b.txt", ns=(time_ns, time_ns))
        (folder / "docs/sub/c.txt").rename(folder / "docs/moved.txt")
        (folder / "docs/a.md").unlink()
        report = ingest()
        self.assertEqual((report["files_changed"], report["files_moved"], report["files_deleted"]), (1, 1, 1), report)
        after = files()
        self.assertEqual(after["moved.txt"], before["sub/c.txt"])
        self.assertNotEqual(after["b.txt"], before["b.txt"])
        self.assertNotIn("sub", after)
        self.assertGreater(checked(run("stats", "--kb", kb, "--json"), "stats")["generation"], generation)
        hits = checked(run("search", "Apples cellar", "--kb", kb, "--json"), "search")["hits"]
        self.assertNotIn("a.md", [hit["file"] for hit in hits])
        hits = checked(run("search", "Limes", "--kb", kb, "--route", "keyword", "--json"), "search")["hits"]
        self.assertEqual([hit["file"] for hit in hits], ["b.txt"])

    def test_fields_come_from_front_matter_and_sidecars(self):
        folder = self.scratch()
        (folder / "docs").mkdir()
        (folder / "docs/备份.md").write_text(
            '---\ntitle: "备份: 入门"\n作者: 王小明\nyear: 2024\ntags:\n- 数据库\n- 备份\ndate: 2024-01-02 11:04:05 +0800\n---\n'
            "# 备份\n\n怎样恢复备份？先停止服务。\n",
            encoding="utf-8",
        )
        (folder / "docs/old.html").write_text("<p>Badgers dig at night.</p>")
        sidecar = folder / "docs/old.html.meta.json"
        sidecar.write_text(json.dumps({"year": 2019, "作者": "Li", "draft": "perhaps"}))
        (folder / "ragtime.yaml").write_text(
            "store_conf: {kwargs: {uri: ./kb}}\n"
            "doc_fields: {year: int, 作者: {type: string, index: hash}, tags: list, date: datetime, draft: bool}\n",
            encoding="utf-8",
        )

        def ingest(*where):
            result = run("ingest", folder / "docs", *where, "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            return checked(result, "ingest")

        def fields():
            rows = checked(run("files", "--kb", folder / "kb", "--json"), "files")["files"]
            return {row["file_path"]: row.get("fields") for row in rows}

        report = ingest("--config", folder / "ragtime.yaml")
        self.assertEqual((report["files_added"], report["files_skipped"]), (2, 0))
        warnings = [warning["message"] for warning in report["warnings"] if warning["code"] == "field"]
        self.assertEqual(len(warnings), 1, report["warnings"])
        for needle in ("old.html", "draft", "perhaps", "doc_fields"):
            self.assertIn(needle, warnings[0])
        chinese = {"year": 2024, "作者": "王小明", "tags": ["数据库", "备份"], "date": "2024-01-02T03:04:05Z"}
        self.assertEqual(fields(), {"备份.md": chinese, "old.html": {"year": 2019, "作者": "Li"}})

        # Without a configuration the recorded declarations hold.
        sidecar.unlink()
        report = ingest("--kb", folder / "kb")
        self.assertEqual((report["files_changed"], report["files_unchanged"]), (1, 1))
        self.assertEqual(report["nodes_reused"], report["nodes_added"])
        self.assertEqual(fields(), {"备份.md": chinese, "old.html": None})

        (folder / "ragtime.yaml").write_text("doc_fields:\n  year: integer\n")
        self.assertFails(
            run("ingest", folder / "docs", "--kb", folder / "kb", "--config", folder / "ragtime.yaml"),
            "year",
            "line 2",
            "integer",
        )

    def test_bad_files_are_named_and_the_rest_goes_in(self):
        folder = self.scratch()
        docs = folder / "docs"
        docs.mkdir()
        (docs / "good.txt").write_text("The harbour opens at dawn.\n")
        (docs / "binary.txt").write_bytes(bytes(range(256)) * 20)
        (docs / "invalid.txt").write_bytes(b"The ferry leaves \xff\xfe at noon \xc3( from pier two.\n")
        (docs / "empty.txt").write_bytes(b"")
        kb = folder / "kb"
        result = run("ingest", docs, "--kb", kb, "--json")
        self.assertEqual(result.returncode, 1)
        report = checked(result, "ingest")
        self.assertEqual([failed["file"] for failed in report["failed"]], ["binary.txt"])
        self.assertTrue(report["failed"][0]["remedy"])
        self.assertTrue(report["warnings"], "invalid UTF-8 goes in with a warning")
        rows = {row["file_path"]: row for row in checked(run("files", "--kb", kb, "--json"), "files")["files"]}
        self.assertEqual(rows["binary.txt"]["status"], "failed")
        self.assertTrue(rows["binary.txt"]["error"])
        hits = checked(run("search", "ferry pier two", "--kb", kb, "--json"), "search")["hits"]
        self.assertEqual(hits[0]["file"], "invalid.txt")

    def test_files_of_other_types_are_counted_by_type(self):
        folder = self.scratch()
        (folder / "docs").mkdir()
        for name in ("paper.pdf", "Scan.PDF", "letter.docx", "Makefile"):
            (folder / "docs" / name).write_text("?")
        command = ("ingest", folder / "docs", "--kb", folder / "kb")
        self.assertFails(run(*command), "no file of a type that can be read, but 1 without an ending, 1 docx, 2 pdf")
        (folder / "docs/a.txt").write_text("Badgers dig at night.\n")
        report = checked(run(*command, "--json"), "ingest")
        self.assertEqual(report["files_skipped"], 4)
        self.assertEqual(report["skipped_types"], {"": 1, "docx": 1, "pdf": 2})
        self.assertIn("1 unchanged, 4 skipped (1 without an ending, 1 docx, 2 pdf), 0 failed", run(*command).stdout)

    def test_a_200_mb_line_ends_clearly_and_the_rest_goes_in(self):
        folder = self.scratch()
        docs = folder / "docs"
        docs.mkdir()
        (docs / "good.txt").write_text("The lighthouse keeper sleeps by day.\n")
        with open(docs / "huge.txt", "wb") as file:
            for _ in range(200):
                file.write(b"word " * 209715)
        result = run("ingest", docs, "--kb", folder / "kb", "--json")
        report = checked(result, "ingest")
        self.assertEqual(result.returncode, 1)
        self.assertEqual([failed["file"] for failed in report["failed"]], ["huge.txt"])
        hits = checked(run("search", "lighthouse", "--kb", folder / "kb", "--json"), "search")["hits"]
        self.assertEqual(hits[0]["file"], "good.txt")

    def test_an_unreadable_file_as_an_ordinary_user(self):
        folder = self.scratch()
        docs = folder / "docs"
        docs.mkdir()
        (docs / "open.txt").write_text("Anybody may read this page about otters.\n")
        (docs / "closed.txt").write_text("secret")
        (docs / "closed.txt").chmod(0)
        as_user = {}
        environment = {"HOME": str(folder), "RAGTIME_CACHE": str(folder / "cache")}
        if os.geteuid() == 0:  # Root reads everything, so the command runs as nobody, on models that nobody may read.
            self.folder.chmod(0o755)
            models = folder / "models"
            shutil.copytree(
                pathlib.Path(os.environ["RAGTIME_MODELS"]) / "multilingual-e5-small", models / "multilingual-e5-small"
            )
            environment["RAGTIME_MODELS"] = str(models)
            for path in (folder, docs, docs / "open.txt", docs / "closed.txt"):
                os.chown(path, 65534, 65534)
            as_user = {"user": 65534, "group": 65534, "extra_groups": []}
        result = run("ingest", docs, "--kb", folder / "kb", "--json", environment=environment, **as_user)
        report = checked(result, "ingest")
        self.assertEqual([failed["file"] for failed in report["failed"]], ["closed.txt"])
        self.assertEqual(report["failed"][0]["code"], "permission_denied")
        self.assertEqual(report["files_added"], 1)

    def start_long_ingestion(self, folder):
        docs = folder / "docs"
        docs.mkdir()
        for i in range(400):
            (docs / f"{i:03}.txt").write_text(
                " ".join(f"Harbour report {i}: ship {i * 7 + k} unloaded crate {k}." for k in range(60))
            )
        return subprocess.Popen(
            [str(BINARY), "ingest", str(docs), "--kb", str(folder / "kb")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_commits(self, process, folder, nodes=1):
        """Returns the count of committed nodes that the log of the process has acknowledged."""
        acknowledged = 0
        while acknowledged < nodes:
            line = process.stderr.readline()
            self.assertTrue(line, "the ingestion ended before it was interrupted")
            found = re.search(r"(\d+) nodes committed", line)
            acknowledged = int(found.group(1)) if found else acknowledged
        return acknowledged

    def test_kill_in_the_middle_loses_nothing_acknowledged_and_two_writers_are_told(self):
        folder = self.scratch()
        process = self.start_long_ingestion(folder)
        acknowledged = self.wait_for_commits(process, folder)
        second = run("ingest", folder / "docs", "--kb", folder / "kb", "--lock-timeout", 0.2)
        self.assertFails(second, str(process.pid), code=(1,))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
        statistics = checked(run("stats", "--kb", folder / "kb", "--json"), "stats")
        self.assertGreaterEqual(statistics["nodes"], acknowledged)
        self.assertTrue(checked(run("search", "Harbour report 3", "--kb", folder / "kb", "--json"), "search")["hits"])
        result = run("ingest", folder / "docs", "--kb", folder / "kb", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(checked(result, "ingest")["files_added"], 400, "the killed run's files are not done again")
        rows = checked(run("files", "--kb", folder / "kb", "--json"), "files")["files"]
        self.assertEqual(len([row for row in rows if row["status"] == "ready"]), 400)

    def test_ctrl_c_stops_in_order(self):
        folder = self.scratch()
        process = self.start_long_ingestion(folder)
        acknowledged = self.wait_for_commits(process, folder)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, messages)
        self.assertIn("remedy:", messages)
        statistics = checked(run("stats", "--kb", folder / "kb", "--json"), "stats")
        self.assertGreaterEqual(statistics["nodes"], acknowledged)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
