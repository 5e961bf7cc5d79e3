# SPDX-License-Identifier: Apache-2.0
"""Goal: a knowledge base is listed, checked, cut down, backed up, restored and copied, and stays whole.

Run by ctest: keep_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import shutil
import subprocess
import sys
import unittest

from command_line import BINARY, DOCUMENTS, CommandLine, checked, run


class Keep(CommandLine):
    def test_files_and_stats(self):
        rows = checked(run("files", "--kb", self.kb, "--json"), "files")["files"]
        folders = {row["id"]: row for row in rows if row["is_dir"]}
        self.assertEqual({row["file_path"] for row in folders.values()}, {"en", "zh"})
        for row in rows:
            if not row["is_dir"]:
                self.assertEqual(folders[row["parent_id"]]["file_path"], row["file_path"].split("/")[0])
                self.assertEqual(row["status"], "ready")
                self.assertEqual(row["file_size"], (self.documents / row["file_path"]).stat().st_size)
        statistics = checked(run("stats", "--kb", self.kb, "--json"), "stats")
        self.assertEqual(statistics["nodes"], sum(row["nodes"] for row in rows))
        self.assertEqual(statistics["dimension"], 384)
        self.assertIn("borrowing.md", run("files", "--kb", self.kb, "--tree").stdout)
        self.assertIn("multilingual-e5-small", run("stats", "--kb", self.kb).stdout)

    def test_files_of_a_folder_are_added_up(self):
        rows = checked(run("files", "--kb", self.kb, "--json"), "files")["files"]
        for folder in (row for row in rows if row["is_dir"]):
            below = [row for row in rows if row["file_path"].startswith(folder["file_path"] + "/")]
            self.assertEqual(folder["below"]["files"], len(below))
            self.assertEqual(folder["below"]["nodes"], sum(row["nodes"] for row in below))
        self.assertNotIn("below", next(row for row in rows if not row["is_dir"]))
        tree = run("files", "--kb", self.kb, "--tree").stdout
        self.assertRegex(tree, r"(?m)^en/  4 files, [0-9]+ nodes, .*$")
        self.assertRegex(tree, r"(?m)^  ready .* borrowing.md$")

    def test_deleting_a_folder_and_slips(self):
        kb = self.copy_of_kb()
        self.assertFails(run("delete", "borrowing.md", "--kb", kb), "near it are", "en/borrowing.md", code=(1,))
        report = checked(run("delete", "en/borrowing.md", "--kb", kb, "--json"), "delete")
        self.assertEqual((report["files"], report["folders"]), (1, 0))
        self.assertEqual(report["file_paths"], ["en/borrowing.md"])
        result = run("delete", "zh", "--kb", kb)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("4 files, 1 folder, ", result.stdout)
        self.assertIn("next ragtime ingest", result.stdout)
        hits = checked(run("search", "借书证丢了怎么办？", "--kb", kb, "--json"), "search")["hits"]
        self.assertEqual([hit["file"] for hit in hits if hit["file"].startswith("zh/")], [])
        self.assertEqual(checked(run("verify", "--kb", kb, "--json"), "verify")["findings"], [])
        report = checked(run("compact", "--kb", kb, "--json"), "compact")
        self.assertGreater(report["before"]["deleted_nodes"], 0)
        self.assertEqual(report["after"]["deleted_nodes"], 0)
        self.assertEqual(report["after"]["nodes"], report["before"]["nodes"])
        self.assertLessEqual(report["after"]["size_bytes"], report["before"]["size_bytes"])
        # A deleted file that still lies there comes back, and one on disk is named by its path there.
        self.assertEqual(checked(run("ingest", self.documents, "--kb", kb, "--json"), "ingest")["files_added"], 5)
        report = checked(run("delete", self.documents / "en", "--kb", kb, "--json"), "delete")
        self.assertEqual(report["files"], 4)

    def test_verify_names_the_damaged_file(self):
        kb = self.copy_of_kb()
        self.assertTrue(checked(run("verify", "--kb", kb, "--json"), "verify")["whole"])
        self.assertIn("whole", run("verify", "--kb", kb).stdout)
        for file in [*kb.glob("segments/*/*"), kb / "catalog.sqlite"]:
            good = file.read_bytes()
            # The second page: of a segment its first section, of the catalog SQLite's own structure.
            flipped = bytes(byte ^ 0xFF for byte in good[4096:4160])
            file.write_bytes(good[:4096] + flipped + good[4160:])
            result = run("verify", "--kb", kb, "--json")
            self.assertEqual(result.returncode, 1, file)
            self.assertEqual({finding["file"] for finding in checked(result, "verify")["findings"]}, {str(file)})
            self.assertIn("remedy:", run("verify", "--kb", kb).stdout)
            file.write_bytes(good)
        self.assertEqual(run("verify", "--kb", kb).returncode, 0)

    def test_backup_while_it_is_written_and_restore(self):
        kb = self.copy_of_kb()
        folder = kb.parent
        run("backup", folder / "first", "--kb", kb)
        self.assertEqual({path.name for path in (folder / "first").iterdir()}, {"catalog.sqlite", "segments"})
        writer = subprocess.Popen(
            [str(BINARY), "ingest", str(self.documents), "--kb", str(kb), "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        report = checked(run("backup", folder / "copy", "--kb", kb, "--json"), "backup")
        self.assertEqual(writer.wait(timeout=120), 0)
        statistics = checked(run("stats", "--kb", kb, "--json"), "stats")
        self.assertEqual(report["nodes"], statistics["nodes"])
        self.assertFails(run("backup", folder / "copy", "--kb", kb), "exists already", code=(1,))
        self.assertEqual(run("backup", folder / "linked", "--kb", kb, "--link").returncode, 0)
        for segment in (folder / "linked").glob("segments/*/*"):
            self.assertGreater(segment.stat().st_nlink, 1)
        self.assertFails(run("restore", folder / "copy", "--kb", kb), "exists already", code=(1,))
        self.assertFails(run("restore", folder / "nothing", "--kb", folder / "new"), "nothing", code=(1,))
        self.assertFalse((folder / "new").exists())
        shutil.rmtree(kb)
        checked(run("restore", folder / "linked", "--kb", kb, "--json"), "backup")
        again = checked(run("stats", "--kb", kb, "--json"), "stats")
        self.assertEqual((again["uuid"], again["nodes"]), (statistics["uuid"], statistics["nodes"]))
        self.assertGreater(again["generation"], statistics["generation"] + 1000)
        self.assertEqual(
            checked(run("ingest", self.documents, "--kb", kb, "--json"), "ingest")["files_unchanged"],
            len([p for p in DOCUMENTS.rglob("*") if p.is_file()]),
        )
        segment = max((folder / "copy").glob("segments/*/*"), key=lambda path: path.stat().st_size)
        with open(segment, "r+b") as file:
            file.truncate(segment.stat().st_size - 1)
        self.assertFails(run("restore", folder / "copy", "--kb", folder / "bad"), code=(1,))
        self.assertFalse((folder / "bad").exists())
        self.assertEqual(list(folder.glob("*.tmp-*")), [])

    def test_copy_to_a_map_file_and_back_finds_the_same(self):
        folder = self.scratch()
        map_file = f"map:{folder}/kb.ragmap"
        there = checked(run("copy", "--from", f"ragtime:{self.kb}", "--to", map_file, "--json"), "copy")
        back = checked(run("copy", "--from", folder / "kb.ragmap", "--to", folder / "kb", "--json"), "copy")
        self.assertEqual(there["checksum"], back["checksum"])
        self.assertEqual(there["files_copied"], there["files"])
        self.assertEqual(back["from"], map_file)
        question = "How much does a replacement for a lost card cost?"

        def hits(kb):
            result = checked(run("search", question, "--kb", kb, "--json"), "search")
            return [(hit["file"], hit["text"], hit["scores"]) for hit in result["hits"]]

        self.assertEqual(hits(self.kb), hits(folder / "kb"))
        again = run("copy", "--from", folder / "kb.ragmap", "--to", folder / "kb")
        self.assertIn("0 files copied", again.stdout, again.stderr)
        self.assertFails(run("copy", "--from", self.kb, "--to", self.kb), "same knowledge base")
        self.assertFails(run("copy", "--from", self.kb, "--to", "postgres:x"), "postgres:x")
        self.assertFails(run("copy", "--from", folder / "none", "--to", folder / "other"), "none")
        self.assertFalse((folder / "other").exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
