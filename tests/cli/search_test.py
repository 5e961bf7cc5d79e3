# SPDX-License-Identifier: Apache-2.0
"""Goal: `search` and `query` find what the examples say, in both languages, by every route, within a filter.

Run by ctest: search_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import os
import pathlib
import sys
import unittest

from command_line import DOCUMENTS, CommandLine, checked, run, text_at, words


class Search(CommandLine):
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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
