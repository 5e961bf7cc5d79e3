# SPDX-License-Identifier: Apache-2.0
"""Goal: `tune` measures on the user's own documents, records what suits them, and refuses what would change answers.

Run by ctest: tune_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import json
import shutil
import sys
import unittest

from command_line import CommandLine, checked, held, run


class Tune(CommandLine):
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
            held(found, "search")
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

    def test_joining_passages_is_refused_where_answers_change(self):
        folder = self.scratch()
        shutil.copytree(self.kb, folder / "kb")
        # No two ways of computing agree to the last bit.
        strict = ("--divergence-max", "0", "--agreement-min", "1", "--count", "14", "--head-tokens", "8,32")
        few = {"RAGTIME_ANSWER_PASSAGES": "2", "RAGTIME_THREADS": "1"}
        result = run("tune", "--kv", "--kb", folder / "kb", *strict, "--json", environment=few)
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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
