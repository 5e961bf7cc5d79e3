# SPDX-License-Identifier: Apache-2.0
"""Goal: bad input gets an error that names the thing and the remedy, in words and as JSON.

Run by ctest: errors_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import shutil
import socket
import sqlite3
import sys
import unittest

from command_line import CommandLine, checked, run


class Errors(CommandLine):
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
        self.assertEqual(run("--version").returncode, 0)

    def test_wrong_use_names_what_was_meant(self):
        for arguments, needles in (
            ((), ("ragtime needs a command",)),
            (("serch", "x"), ("no command serch", "did you mean search?")),
            (("models", "lst"), ("ragtime models has no command lst", "did you mean list?")),
            (("search", "x", "--topk=3"), ("no option --topk=3", "did you mean --top-k?", "ragtime search --help")),
            (("search", "x", "--kb"), ("--kb needs a value",)),
            (("search", "x", "--top-k", "3", "--top-k", "4"), ("--top-k is given twice", "leave one of them out")),
            (("search", "x", "--queries", __file__), ("question and --queries exclude each other",)),
            (("--kb", "kb", "search", "x"), ("--kb stands before the command", "behind")),
            (("ask", "two", "words"), ('"words" is one argument too many', "quotes")),
            (("ask", "--kb", "kb"), ("question is required", "ragtime ask --help")),
            (("search", "x", "--route", "psychic"), ("psychic", "keyword")),
            (("search", "x", "--top-k", "0"), ("--top-k", "1 to 1000")),
            (("search", "x", "--config", "none.yaml"), ("none.yaml",)),
            (("serve", "--port", "99999"), ("--port", "0 to 65535")),
        ):
            with self.subTest(arguments):
                self.assertFails(run(*arguments), *needles, code=(2,))
        for command in ("ingest", "bench serve", "models add"):
            shown = run(*command.split(), "--help")
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertIn("--kb", shown.stdout)

    def test_what_is_not_what_it_should_be(self):
        folder = self.scratch()
        noise = folder / "noise.bin"
        noise.write_bytes(bytes(range(256)) * 20)
        text = folder / "text.yaml"
        (folder / "empty").mkdir()
        for written, needle in (
            (b"search: {top_k: many}\n", "1 to 1000"),
            (b"search: [1\n", "line 2"),
            (b"serch: {top_k: 3}\n", "did you mean search?"),
            (noise.read_bytes(), "UTF-8"),
        ):
            text.write_bytes(written)
            self.assertFails(run("search", "x", "--kb", self.kb, "--config", text), "text.yaml", needle, code=(2,))
        self.assertFails(run("stats", "--kb", folder / "empty"), "no knowledge base", "ragtime ingest", code=(1,))
        self.assertFails(run("ingest", self.documents, "--kb", text), "text.yaml", "another path", code=(1,))
        self.assertFails(run("ingest", noise, "--kb", folder / "kb"), "noise.bin", "can be read", code=(1,))
        self.assertFails(run("search", "x", "--kb", self.kb, "--filter", "file_path likes 'x'"), "column 11", code=(2,))
        schema = ("--format", "json", "--schema", noise)
        self.assertFails(run("ask", "x", "--kb", self.kb, *schema), "noise.bin", "JSON schema", code=(2,))
        self.assertFails(run("models", "add", noise), "does not begin with GGUF", "fetch the model again", code=(1,))
        self.assertFails(run("models", "add", folder / "empty"), "no model.json", ".gguf", code=(1,))
        missing = run("models", "show", "no-such-model").stderr
        self.assertEqual(missing.count("multilingual-e5-small"), 1, missing)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertFails(run("serve", "--kb", self.kb, "--port", port), str(port), "another --port", code=(1,))

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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
