# SPDX-License-Identifier: Apache-2.0
"""Goal: the command line does its main job on real models; bad input gets a clear error and leaves the data whole.

Run by ctest: cli_test.py BINARY SOURCE_DIR [unittest arguments]. Ingests examples/documents once, then asks it.
"""

import html.parser
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import schema_check

BINARY = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()
DOCUMENTS = SOURCE / "examples" / "documents"


def run(*arguments, timeout=120, environment=None, **more):
    env = {
        k: v for k, v in os.environ.items() if not k.startswith("RAGTIME_") or k in ("RAGTIME_MODELS", "RAGTIME_CACHE")
    }
    env.update(environment or {})
    return subprocess.run(
        [str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=env, **more
    )


def schema(name):
    return json.loads((SOURCE / "docs/reference/json" / f"{name}.schema.json").read_text())


def checked(result, name):
    """The JSON object on stdout, held to its schema."""
    value = json.loads(result.stdout)
    schema_check.check(value, schema(name))
    return value


class TextOfHtml(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts = []

    def handle_data(self, data):
        self.parts.append(data)


def words(text):
    return re.findall(r"\w+", text)


def text_at(file, start, end):
    """What a reader sees at a byte range of a source file, markup removed."""
    piece = file.read_bytes()[start:end].decode("utf-8")
    if file.suffix == ".html":
        parser = TextOfHtml()
        parser.feed(piece)
        parser.close()
        return " ".join(parser.parts)
    return piece


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_cli_"))
        cls.documents = cls.folder / "documents"
        shutil.copytree(DOCUMENTS, cls.documents)
        cls.kb = cls.folder / "kb"
        cls.first = run("ingest", cls.documents, "--kb", cls.kb, "--json")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def scratch(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="case_", dir=self.folder))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def assertFails(self, result, *needles, code=(1, 2)):
        self.assertIn(result.returncode, code, result.stdout + result.stderr)
        for needle in needles:
            self.assertIn(needle, result.stderr)
        self.assertIn("remedy:", result.stderr)

    def test_ingest_reports_every_file(self):
        self.assertEqual(self.first.returncode, 0, self.first.stderr)
        report = checked(self.first, "ingest")
        self.assertEqual(report["files_added"], len([p for p in DOCUMENTS.rglob("*") if p.is_file()]))
        self.assertGreater(report["nodes_added"], 8)
        self.assertEqual(report["failed"], [])

    def test_doctor_says_which_number_formats_are_native(self):
        findings = checked(run("doctor", "--json"), "doctor")["findings"]
        details = [f["detail"] for f in findings if f["area"] == "cpu" and f["name"] == "number formats"]
        self.assertEqual(len(details), 1)
        for name in ("FP32", "TF32", "BF16", "FP16", "FP8", "INT8", "INT4"):
            self.assertIn(name, details[0])
        flags = pathlib.Path("/proc/cpuinfo").read_text()
        native = details[0].split("; converted first: ")[0]
        self.assertEqual("BF16 (AMX" in native, "amx_bf16" in flags, details[0])

    def test_doctor_says_how_many_threads_all_models_share(self):
        cores = len(os.sched_getaffinity(0))
        for threads, health in (("0", "good"), ("1", "good"), ("1000", "limited")):
            result = run("doctor", "--json", environment={"RAGTIME_THREADS": threads})
            found = [f for f in checked(result, "doctor")["findings"] if f["name"] == "threads"]
            self.assertEqual([f["health"] for f in found], [health])
            number = threads if threads != "0" else str(cores)
            self.assertTrue(found[0]["detail"].startswith(f"{number} for embedder, language model and"), found)

    def test_models_come_into_the_folder_and_are_listed(self):
        folder = self.scratch()
        settings = {"RAGTIME_MODELS": str(folder / "mine")}
        weights = pathlib.Path(os.environ["RAGTIME_MODELS"]) / "smollm2-135m-instruct" / "model.gguf"
        command = ("models", "add", weights, "--as", "small", "--link", "--json")
        added = checked(run(*command, environment=settings), "models-show")["model"]
        self.assertEqual((added["architecture"], added["type"], added["context_tokens"]), ("llama", "Q8_0", 8192))
        listed = checked(run("models", "list", "--json", environment=settings), "models-list")["models"]
        self.assertIn(added["path"], [model["path"] for model in listed])
        self.assertFails(run(*command, environment=settings), "there is a model small")
        self.assertFails(run("models", "show", "absent", environment=settings), "absent")
        self.assertFails(run("models", "quantize", "small", "Q3", environment=settings), "there is no type Q3")
        self.assertFails(run("models", "compare", "small", environment=settings), "no text to compare on")
        self.assertFails(run("models", "compare", "small", "--plot", "a.png", environment=settings), "SVG")
        # Answers are made with it by its name.
        settings["RAGTIME_LLM_MODEL"] = "small"
        command = ("ask", "What is a book?", "--kb", self.kb, "--mode", "generate", "--json", "--no-stream")
        settings["RAGTIME_LLM_MAX_TOKENS"] = "4"
        settings["RAGTIME_LLM_KV_TYPE"] = "q8_0"
        self.assertGreater(len(checked(run(*command, environment=settings), "ask")["answer"]), 0)
        settings["RAGTIME_LLM_GPU_LAYERS"] = "9"
        settings["RAGTIME_CACHE_TYPE"] = "none"
        if not shutil.which("nvidia-smi"):
            self.assertFails(run(*command, environment=settings), "llm.gpu_layers is 9", "--cuda")

    def test_search_by_keyword_obeys_the_parameters_of_bm25(self):
        def score(**environment):
            command = ("search", "lost library card", "--kb", self.kb, "--route", "keyword", "--json")
            hits = checked(run(*command, environment=environment), "search")["hits"]
            return hits[0]["scores"]["keyword"]

        self.assertEqual(score(), score(RAGTIME_SEARCH_BM25_K1="1.2", RAGTIME_SEARCH_BM25_B="0.75"))
        self.assertNotEqual(score(), score(RAGTIME_SEARCH_BM25_K1="0"))
        self.assertNotEqual(score(), score(RAGTIME_SEARCH_BM25_B="0"))

    def test_search_finds_the_passage_in_both_languages_by_every_route(self):
        for question, file in (
            ("How much does a replacement for a lost card cost?", "en/borrowing.md"),
            ("借书证丢了怎么办？", "zh/借阅指南.md"),
            ("Can I cut PVC with the laser?", "en/makerspace.md"),
            ("自习室周六几点关门", "zh/自习室.html"),
        ):
            for route in ("vector", "keyword", "hybrid"):
                result = checked(run("search", question, "--kb", self.kb, "--route", route, "--json"), "search")
                self.assertIn(file, [hit["file"] for hit in result["hits"][:3]], f"{route}: {question}")
                self.assertEqual([hit["rank"] for hit in result["hits"]], list(range(1, len(result["hits"]) + 1)))
                self.assertEqual(result["warnings"], [])

    def test_spans_point_to_the_text_in_the_source(self):
        result = checked(run("search", "opening hours 开放时间", "--kb", self.kb, "--top-k", 30, "--json"), "search")
        self.assertGreater(len(result["hits"]), 5)
        for hit in result["hits"]:
            there = text_at(self.documents / hit["file"], hit["byte_start"], hit["byte_end"])
            if hit["file"].endswith(".html"):
                self.assertEqual("".join(words(there)), "".join(words(hit["text"])), hit["file"])
            else:
                self.assertEqual(there, hit["text"], hit["file"])

    def check_answer(self, answer):
        for citation in answer["citations"]:
            there = text_at(self.documents / citation["file"], citation["byte_start"], citation["byte_end"])
            self.assertIn("".join(words(citation["quote"])), "".join(words(there)))
            self.assertIn(
                f"[{citation['marker']}]",
                answer["answer"] + (f"[{citation['marker']}]" if citation.get("inferred") else ""),
            )

    def test_ask_extracts_with_citations_in_chinese_and_says_why(self):
        answer = checked(run("ask", "电子书可以借多少天？", "--kb", self.kb, "--json"), "ask")
        self.assertEqual(answer["mode"], "extract")
        self.assertIn("21", answer["answer"])
        self.assertTrue(answer["citations"])
        self.assertIn("language", [warning["code"] for warning in answer["warnings"]])
        self.check_answer(answer)

    def test_ask_generates_or_extracts_in_english_with_citations(self):
        answer = checked(run("ask", "How long do you keep a reserved item for me?", "--kb", self.kb, "--json"), "ask")
        self.assertTrue(answer["found"])
        self.assertTrue(answer["citations"])
        self.check_answer(answer)
        answer = checked(
            run("ask", "How long do you keep a reserved item for me?", "--kb", self.kb, "--json", "--mode", "extract"),
            "ask",
        )
        self.assertIn("seven days", answer["answer"])
        self.check_answer(answer)
        answer = checked(
            run("ask", "How long do you keep a reserved item for me?", "--kb", self.kb, "--json", "--mode", "generate"),
            "ask",
        )
        self.assertEqual(answer["mode"], "generate")
        self.assertGreater(answer["usage"]["completion_tokens"], 0)
        self.check_answer(answer)

    def test_ask_in_json_by_a_schema(self):
        question = "How long do you keep a reserved item for me?"
        shape = self.scratch() / "shape.json"
        shape.write_text(
            '{"type": "object", "required": ["answer", "days"], "properties":'
            ' {"answer": {"type": "string", "maxLength": 80}, "days": {"type": "integer"}}}'
        )
        result = run("ask", question, "--kb", self.kb, "--format", "json", "--schema", shape)
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        self.assertEqual(list(value), ["answer", "days"])
        self.assertIsInstance(value["days"], int)
        nothing = run("ask", "What is the boiling point of tungsten?", "--kb", self.kb, "--format", "json")
        self.assertEqual((nothing.returncode, nothing.stdout), (0, ""), nothing.stderr)
        shape.write_text('{"type": "string", "pattern": "a+"}')
        for arguments, message in (
            (("--schema", shape), "add --format json"),
            (("--format", "json", "--schema", shape), "has pattern at #"),
            (("--format", "json", "--mode", "extract"), "mode is extract"),
        ):
            wrong = run("ask", question, "--kb", self.kb, *arguments)
            self.assertEqual(wrong.returncode, 2, wrong.stderr)
            self.assertIn(message, " ".join(wrong.stderr.split()))

    def test_ask_streams_events_that_add_up_to_the_answer(self):
        result = run("ask", "What does 3D printing cost?", "--kb", self.kb, "--json", "--stream", "--mode", "extract")
        events = [json.loads(line) for line in result.stdout.splitlines()]
        for event in events:
            schema_check.check(event, schema("event"))
        schema_check.check(events[-1]["answer"], schema("ask"))
        self.assertEqual(
            "".join(e["text"] for e in events[:-1] if e["channel"] == "answer").strip(),
            events[-1]["answer"]["answer"].strip(),
        )

    def test_ask_says_that_nothing_was_found_instead_of_inventing(self):
        for question in ("What is the boiling point of tungsten?", "量子色动力学的拉格朗日量是什么？"):
            answer = checked(run("ask", question, "--kb", self.kb, "--json"), "ask")
            self.assertFalse(answer["found"], answer["answer"])
            self.assertEqual(answer["citations"], [])

    def test_ask_prints_for_people(self):
        result = run("ask", "How long do you keep a reserved item for me?", "--kb", self.kb, "--mode", "extract")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("seven days", result.stdout)
        self.assertIn("Sources", result.stdout)

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

    def test_a_200_mb_line_ends_clearly_and_the_rest_goes_in(self):
        folder = self.scratch()
        docs = folder / "docs"
        docs.mkdir()
        (docs / "good.txt").write_text("The lighthouse keeper sleeps by day.\n")
        with open(docs / "huge.txt", "wb") as file:
            for _ in range(200):
                file.write(b"word " * 209715)
        result = run("ingest", docs, "--kb", folder / "kb", "--json", timeout=300)
        report = checked(result, "ingest")
        self.assertEqual(result.returncode, 1)
        self.assertEqual([failed["file"] for failed in report["failed"]], ["huge.txt"])
        hits = checked(run("search", "lighthouse", "--kb", folder / "kb", "--json"), "search")["hits"]
        self.assertEqual(hits[0]["file"], "good.txt")

    def test_wrong_paths(self):
        folder = self.scratch()
        self.assertFails(run("ingest", folder / "none", "--kb", folder / "kb"), "none")
        (folder / "empty").mkdir()
        self.assertFails(run("ingest", folder / "empty", "--kb", folder / "kb"), "empty")
        self.assertFalse((folder / "kb").exists(), "nothing is made when nothing goes in")
        self.assertFails(run("search", "x", "--kb", folder / "none"), "none", code=(1,))
        self.assertFails(run("search", "x"), "knowledge base", code=(2,))
        self.assertFails(run("search", "  ", "--kb", self.kb), "empty", code=(2,))
        self.assertFails(run("ask", "", "--kb", self.kb), "empty", code=(2,))
        self.assertEqual(run("serch", "x").returncode, 2)
        self.assertEqual(run("search", "x", "--kb", self.kb, "--route", "psychic").returncode, 2)
        self.assertEqual(run("--version").returncode, 0)

    def test_errors_are_json_on_stdout_too(self):
        folder = self.scratch()
        error = checked(run("search", "x", "--kb", folder / "none", "--json"), "error")["error"]
        self.assertEqual(error["code"], "not_found")
        self.assertTrue(error["remedy"])
        self.assertEqual(checked(run("search", "--json"), "error")["error"]["code"], "invalid_argument")

    def test_a_newer_format_another_model_and_a_truncated_segment(self):
        folder = self.scratch()
        newer, cut = folder / "newer", folder / "cut"
        shutil.copytree(self.kb, newer)
        database = sqlite3.connect(newer / "catalog.sqlite")
        database.execute("update settings set value = '99' where key = 'format_version'")
        database.commit()
        database.close()
        self.assertFails(run("search", "x", "--kb", newer), "format", "99", code=(1,))

        config = folder / "ragtime.yaml"
        config.write_text("embed: {model: all-minilm-l6-v2}\n")
        self.assertFails(
            run("search", "x", "--kb", self.kb, "--config", config), "all-minilm-l6-v2", "multilingual-e5-small"
        )

        shutil.copytree(self.kb, cut)
        segment = max(cut.glob("segments/*/*"), key=lambda path: path.stat().st_size)
        with open(segment, "r+b") as file:
            file.truncate(segment.stat().st_size // 2)
        self.assertFails(run("search", "card", "--kb", cut), segment.name, code=(1,))
        self.assertEqual(run("search", "card", "--kb", self.kb).returncode, 0)

    def test_tuning_many_questions_and_ef(self):
        folder = self.scratch()
        kb = folder / "kb"
        documents = folder / "documents"
        documents.mkdir()
        config = folder / "ragtime.yaml"
        config.write_text("split: {size: 16, overlap: 0}\nstore_conf: {kwargs: {index_kwargs: {index_type: HNSW}}}\n")
        line = "Shelf {} of the library holds books about subject {}, from year {} to year {}.\n"
        (documents / "shelves.txt").write_text("".join(line.format(i, 7 * i, 1000 + i, 1500 + i) for i in range(300)))
        common = ("--kb", kb, "--config", config)
        run("ingest", documents, *common)
        before = checked(run("stats", *common, "--json"), "stats")
        self.assertNotIn("tuning", before)
        self.assertIn("HNSW", before["vector_indexes"], before)
        self.assertGreaterEqual(before["vector_indexes"]["HNSW"], 256)

        result = run("tune", "--recall", "0.9", *common, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = checked(result, "tune")
        self.assertGreaterEqual(report["tuning"]["recall"], 0.9)
        self.assertEqual(report["tuning"]["ef"], report["points"][-1]["ef"])
        self.assertEqual(report["tuning"]["questions"], 200)
        after = checked(run("stats", *common, "--json"), "stats")
        self.assertEqual(after["generation"], before["generation"])
        self.assertEqual(after["tuning"], {**report["tuning"], "outgrown": False})
        self.assertRegex(run("stats", *common).stdout, r"tuned +ef \d+ finds [0-9.]+ of the nearest 50 \(wanted 0.9\)")

        questions = folder / "questions.txt"
        questions.write_text("Which shelf holds subject 70?\n\nbooks from year 1200\nshelf 5\n")
        report = checked(run("tune", "--questions", questions, *common, "--json"), "tune")
        self.assertEqual(report["tuning"]["questions"], 3)
        self.assertIn("wins", run("tune", *common, environment={"RAGTIME_HNSW_EF": "77"}).stderr)
        self.assertFails(run("tune", "--kb", self.kb), "exact", code=(1,))

        result = run("search", "--queries", questions, *common, "--json", "--top-k", "3")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(lines), 3)
        for found, question in zip(lines, ("Which shelf holds subject 70?", "books from year 1200", "shelf 5")):
            schema_check.check(found, schema("search"))
            single = checked(run("search", question, *common, "--json", "--top-k", "3"), "search")
            self.assertEqual((found["query"], found["hits"]), (question, single["hits"]))
        self.assertEqual(run("search", *common).returncode, 2)
        empty = folder / "empty.txt"
        empty.write_text("\n")
        self.assertFails(run("search", "--queries", empty, *common), "holds no question", code=(2,))

        self.assertEqual(run("search", "shelf 5", "--ef", "200", *common).returncode, 0)
        flat = {"RAGTIME_INDEX_TYPE": "FLAT"}
        self.assertFails(run("search", "shelf 5", "--ef", "200", *common, environment=flat), "--ef", "FLAT", code=(2,))

        (documents / "more.txt").write_text("".join(line.format(i, i, i, 3 * i) for i in range(400, 700)))
        run("ingest", documents, *common)
        self.assertTrue(checked(run("stats", *common, "--json"), "stats")["tuning"]["outgrown"])
        self.assertIn("run ragtime tune again", run("stats", *common).stdout)

    def copy_of_kb(self):
        kb = self.scratch() / "kb"
        shutil.copytree(self.kb, kb)
        return kb

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
        self.assertIn("4 files, 1 folders", result.stdout)
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
        result = run("ingest", folder / "docs", "--kb", folder / "kb", "--json", timeout=300)
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

    def test_joining_passages_is_refused_where_answers_change(self):
        folder = self.scratch()
        shutil.copytree(self.kb, folder / "kb")
        # No two ways of computing agree to the last bit.
        strict = ("--divergence-max", "0", "--agreement-min", "1", "--count", "14", "--head-tokens", "8,32")
        few = {"RAGTIME_ANSWER_PASSAGES": "2", "RAGTIME_THREADS": "1"}
        result = run("tune", "--kv", "--kb", folder / "kb", *strict, "--json", timeout=300, environment=few)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = checked(result, "tune-kv")
        self.assertFalse(report["joins"])
        self.assertGreaterEqual(report["questions"], 10)
        self.assertEqual([point["head_tokens"] for point in report["points"]], [8, 32])
        for answers in (report["whole"], *report["points"]):
            self.assertGreater(answers["ttft_ms"], 0)
            self.assertGreater(answers["from_passages"], 0.2, "the model does repeat what it reads")
            self.assertGreater(answers["on_topic"], 0)
        for point in report["points"]:
            self.assertAlmostEqual(point["speedup"], report["whole"]["ttft_ms"] / point["ttft_ms"])
        self.assertEqual(json.loads((folder / "kb/kv/joins.json").read_text())["head_tokens"], 0)
        (folder / "none.txt").write_text("\n")
        self.assertFails(run("tune", "--kv", "--kb", folder / "kb", "--questions", folder / "none.txt"), "none.txt")
        self.assertEqual(run("tune", "--count", "20", "--kb", folder / "kb").returncode, 2)

    def test_init_config_and_doctor(self):
        folder = self.scratch()
        self.assertEqual(run("init", folder / "ragtime.yaml").returncode, 0)
        self.assertFails(run("init", folder / "ragtime.yaml"), "exists")
        (folder / "docs").mkdir()
        (folder / "docs/a.txt").write_text("Badgers dig at night.\n")
        result = run("ingest", "--config", folder / "ragtime.yaml", "--json", cwd="/")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((folder / "kb/catalog.sqlite").exists())
        hits = checked(run("search", "badgers", "--config", folder / "ragtime.yaml", "--json"), "search")["hits"]
        self.assertEqual(hits[0]["file"], "a.txt")
        (folder / "typo.yaml").write_text("serch: {top_k: 3}\n")
        self.assertFails(
            run("search", "x", "--config", folder / "typo.yaml", "--kb", folder / "kb"), "serch", code=(2,)
        )
        doctor = run("doctor", "--kb", folder / "kb", "--json")
        findings = checked(doctor, "doctor")["findings"]
        self.assertEqual(
            {finding["area"] for finding in findings}, {"cpu", "memory", "disk", "model", "knowledge base"}
        )
        self.assertEqual(doctor.returncode, 0, findings)

    def test_a_redis_keeps_answers_and_conversations_between_processes(self):
        folder = self.scratch()
        socket = folder / "redis.sock"
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for _ in range(1000):
            if socket.exists():
                break
            time.sleep(0.02)
        # A patient time: what is tested is not how loaded this machine is.
        env = {
            "RAGTIME_CACHE_TYPE": "redis",
            "RAGTIME_CACHE_URI": f"unix://{socket}",
            "RAGTIME_CACHE_TIMEOUT_MS": "20000",
        }
        question = "How much does a replacement for a lost card cost?"
        ask = ("ask", question, "--kb", self.kb, "--mode", "extract", "--json", "--session", "s")
        first = checked(run(*ask, environment=env), "ask")
        self.assertFalse(first["cached"])
        leaning = ("ask", "What about children?", *ask[2:])
        follow_up = checked(run(*leaning, environment=env), "ask")
        self.assertEqual(follow_up["standalone_question"], f"{question} What about children?")
        search = ("search", question, "--kb", self.kb, "--json")
        self.assertFalse(checked(run(*search, environment=env), "search")["cached"])
        again = checked(run(*search, environment=env), "search")
        self.assertTrue(again["cached"])
        self.assertIn("cache", again["timings_ms"])
        self.assertNotIn("embed", again["timings_ms"])
        stats = checked(run("stats", "--kb", self.kb, "--json", environment=env), "stats")
        self.assertEqual(stats["cache"]["name"], f"redis {socket}")
        doctor = ("doctor", "--kb", self.kb, "--json")
        findings = checked(run(*doctor, environment=env), "doctor")["findings"]
        self.assertIn("answers", [f["detail"] for f in findings if f["area"] == "cache"])

        server.kill()
        server.wait()
        dead = checked(run(*search, environment=env), "search")
        self.assertEqual([hit["node_id"] for hit in dead["hits"]], [hit["node_id"] for hit in again["hits"]])
        self.assertIn("cache_bypassed", [warning["code"] for warning in dead["warnings"]])
        findings = checked(run(*doctor, environment=env), "doctor")["findings"]
        self.assertEqual(["limited"], [f["health"] for f in findings if f["area"] == "cache"])
        self.assertFails(run(*ask), "ends with this process", code=(2,))

    def test_filters_narrow_a_search_and_query_lists_counts_and_groups(self):
        question = "How much does a replacement for a lost card cost?"
        only = checked(
            run("search", question, "--kb", self.kb, "--filter", "file_path like 'zh/%'", "--json"), "search"
        )
        self.assertTrue(only["hits"])
        self.assertTrue(all(hit["file"].startswith("zh/") for hit in only["hits"]))
        answer = checked(
            run("ask", question, "--kb", self.kb, "--filter", "file_path = 'en/borrowing.md'", "--json"), "ask"
        )
        self.assertEqual({c["file"] for c in answer["citations"]}, {"en/borrowing.md"})
        wrong = run("search", question, "--kb", self.kb, "--filter", "file_pat = 'x'")
        self.assertFails(wrong, "file_pat", "file_path", code=(2,))
        table = checked(
            run("query", "--kb", self.kb, "--filter", "not is_dir", "--group-by", "file_type", "--count", "--max",
                "file_size", "--order-by", "count desc", "--json"),
            "query",
        )  # fmt: skip
        self.assertEqual(table["columns"], ["file_type", "count", "max(file_size)"])
        files = [p for p in DOCUMENTS.rglob("*") if p.is_file()]
        self.assertEqual(sum(row["count"] for row in table["rows"]), len(files))
        self.assertEqual(max(row["max(file_size)"] for row in table["rows"]), max(p.stat().st_size for p in files))
        shown = run("query", "--kb", self.kb, "--from", "nodes", "--select", "file_path,text", "--limit", "2")
        self.assertEqual(len(shown.stdout.splitlines()), 3)
        self.assertFails(run("query", "--kb", self.kb, "--select", "nothing"), "nothing", "file_size", code=(2,))

    def test_without_the_embedding_model_words_still_find_and_a_warning_says_so(self):
        folder = self.scratch()
        (folder / "my-model").symlink_to(pathlib.Path(os.environ["RAGTIME_MODELS"]) / "multilingual-e5-small")
        environment = {"RAGTIME_MODELS": str(folder), "RAGTIME_EMBED_MODEL": "my-model"}
        documents = folder / "documents"
        documents.mkdir()
        (documents / "a.txt").write_text("A replacement for a lost card costs three euros.")
        result = run("ingest", documents, "--kb", folder / "kb", environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        (folder / "my-model").unlink()
        result = run("search", "lost card", "--kb", folder / "kb", "--json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        found = checked(result, "search")
        self.assertEqual(found["hits"][0]["file"], "a.txt")
        self.assertEqual([(w["code"], w["route"]) for w in found["warnings"]], [("route_failed", "vector")])
        self.assertIn("my-model", found["warnings"][0]["message"])
        question = "What does a replacement for a lost card cost?"
        answer = checked(run("ask", question, "--kb", folder / "kb", "--json"), "ask")
        self.assertIn("three euros", answer["answer"])
        self.assertFails(run("search", "lost card", "--kb", folder / "kb", "--route", "vector"), "my-model")

    def test_a_dead_server_degrades_to_extraction_and_says_so(self):
        folder = self.scratch()
        config = folder / "ragtime.yaml"
        config.write_text(
            "llm: {api: openai, base_url: 'http://127.0.0.1:9/v1', model: m}\n"
            f"store_conf: {{kwargs: {{uri: '{self.kb}'}}}}\n"
        )
        answer = checked(
            run("ask", "How long do you keep a reserved item for me?", "--config", config, "--json"), "ask"
        )
        self.assertEqual(answer["mode"], "extract")
        self.assertTrue(answer["warnings"])
        self.assertFails(
            run("ask", "How long do you keep a reserved item for me?", "--config", config, "--mode", "generate"),
            "127.0.0.1:9",
            code=(1,),
        )


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
