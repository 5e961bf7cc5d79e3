# SPDX-License-Identifier: Apache-2.0
"""Goal: what examples/three_routes.yaml and docs/guides/llamaindex.md promise holds on real models and real documents.

Run by ctest: routes_test.py BINARY SOURCE_DIR EXAMPLE [unittest arguments]. EXAMPLE is registered_similarity.
"""

import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from command_line import DOCUMENTS, SOURCE, checked, run, start_server

EXAMPLE = pathlib.Path(sys.argv[3]).resolve()
LOST_CARD = "借书证丢了怎么办？"


class ScriptedModel(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible server whose model knows four tasks."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
        self.server.asked.append(system)
        if "summary" in system:
            reply = "Zeppelin: " + user.split("\n")[0]
        elif "keywords" in system:
            reply = "1. zeppelin\n2. " + user.split()[-1]
        elif "questions" in system:
            reply = "Who flies the zeppelin?"
        else:
            texts = re.split(r"Text (\d+):\n", user.split("Question:")[0])[1:]
            numbers = [n for n, text in zip(texts[::2], texts[1::2]) if "a replacement costs" in " ".join(text.split())]
            reply = "\n".join(f"{number}: 9" for number in numbers) or "none"
        chunk = {"choices": [{"index": 0, "delta": {"content": reply}, "finish_reason": "stop"}]}
        data = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Routes(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_routes_"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.kb = self.folder / "kb"

    def configured(self, text, name="ragtime.yaml"):
        config = self.folder / name
        config.write_text(f"store_conf: {{kwargs: {{uri: '{self.kb}'}}}}\n" + text)
        return config

    def ingest(self, *arguments, code=0):
        result = run("ingest", DOCUMENTS, *arguments, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        return checked(result, "ingest")

    def search(self, question, *arguments):
        result = run("search", question, *arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return checked(result, "search")

    def start_model(self):
        server = start_server(self, ScriptedModel, asked=[])
        return server, f"llm: {{api: openai, base_url: '{server.url}', model: m}}\n"

    def test_three_routes_over_two_groups_in_two_languages(self):
        config = SOURCE / "examples" / "three_routes.yaml"
        options = ("--config", config, "--kb", self.kb)
        self.assertEqual(run("ingest", *options).returncode, 0)
        for question, file in ((LOST_CARD, "zh/借阅指南.md"), ("Can I cut PVC with the laser?", "en/makerspace.md")):
            result = self.search(question, *options)
            self.assertEqual(result["warnings"], [])
            best = result["hits"][0]
            self.assertEqual(best["file"], file)
            self.assertEqual(set(best["scores"]), {"meaning", "detail", "words"})
            self.assertEqual(set(best["ranks"]), set(best["scores"]))
            # The score is what the example's fusion makes of the ranks.
            self.assertAlmostEqual(best["score"], sum(1 / (60 + rank) for rank in best["ranks"].values()))
            self.assertEqual(set(best["via"]), {"detail"}, "a sentence led to the paragraph")
            stages = {"open", "embed", "meaning", "detail", "words", "fuse", "fetch", "total"}
            self.assertTrue(stages <= set(result["timings_ms"]))
            self.assertEqual({hit["group"] for hit in result["hits"]}, {"paragraph"})
            answer = checked(run("ask", question, *options, "--mode", "extract", "--json"), "ask")
            self.assertTrue(answer["found"])
            self.assertEqual(answer["citations"][0]["file"], file)
        self.assertEqual(set(self.search(LOST_CARD, *options, "--route", "keyword")["hits"][0]["scores"]), {"words"})
        # Without the configuration the knowledge base knows its groups, and answers from the first.
        plain = self.search(LOST_CARD, "--kb", self.kb)
        self.assertEqual({hit["group"] for hit in plain["hits"]}, {"paragraph"})
        self.assertEqual(plain["hits"][0]["file"], "zh/借阅指南.md")

        lost = checked(
            run("why-not", "en/makerspace.md", LOST_CARD, *options, "--top-k", "1", "--json"), "why-not"
        )
        self.assertEqual(lost["stage"], "fused")
        self.assertGreater(lost["fused_rank"], 1)
        self.assertEqual(set(lost["routes"]), {"meaning", "detail", "words"})
        found = checked(run("why-not", "zh/借阅指南.md", LOST_CARD, *options, "--json"), "why-not")
        self.assertEqual((found["stage"], found["rank"]), ("found", 1))
        # The rank asked for is the rank that brings it.
        deeper = self.search(LOST_CARD, *options, "--top-k", lost["fused_rank"])
        self.assertEqual(deeper["hits"][-1]["file"], "en/makerspace.md")
        filtered = run("why-not", "en/makerspace.md", "laser", *options, "--filter", "file_path like 'zh/%'", "--json")
        self.assertEqual(checked(filtered, "why-not")["stage"], "filtered")
        slip = checked(run("why-not", "makerspce.md", "laser", *options, "--json"), "why-not")
        self.assertEqual(slip["stage"], "not_ingested")
        self.assertIn("en/makerspace.md", slip["message"])
        words = run("why-not", "en/makerspace.md", LOST_CARD, *options, "--top-k", "1")
        self.assertIn(f"joined: rank {lost['fused_rank']}", words.stdout)
        self.assertEqual(run("why-not", "en", "laser", *options).returncode, 2, "a folder")

    def test_words_in_quotes_must_follow_one_another(self):
        documents = self.folder / "documents"
        documents.mkdir()
        (documents / "a.md").write_text("The write-ahead log of the server is archived.\n")
        (documents / "b.md").write_text("Write the log ahead of time, says the server.\n")
        (documents / "c.md").write_text("数据库备份每天运行。\n")
        (documents / "d.md").write_text("数据库的备份；据库，库备。\n")
        self.assertEqual(run("ingest", documents, "--kb", self.kb).returncode, 0)

        def files(question):
            result = self.search(question, "--route", "keyword", "--kb", self.kb)
            return sorted(hit["file"] for hit in result["hits"]), [w["code"] for w in result["warnings"]]

        self.assertEqual(files("write ahead log"), (["a.md", "b.md"], []))
        self.assertEqual(files('"write ahead log" server'), (["a.md"], []))
        self.assertEqual(files("“数据库备份”"), (["c.md"], []))
        self.assertEqual(files("「库备」"), (["c.md", "d.md"], []))
        self.assertEqual(files('"server log"'), (["a.md", "b.md"], ["phrase_not_found"]))

    def test_chinese_by_the_words_of_a_dictionary(self):
        words = self.folder / "words.txt"
        words.write_text("数据湖仓 1000\n")
        config = self.configured(f"words: {{chinese: jieba, user_dictionary: '{words}'}}\n", "jieba.yaml")
        pairs = self.configured("words: {chinese: bigrams}\n", "pairs.yaml")
        documents = self.folder / "documents"
        documents.mkdir()
        (documents / "a.md").write_text("数据湖仓保存所有表。\n")
        (documents / "b.md").write_text("仓库的数据在湖边。\n")
        by_words = ("--route", "keyword", "--config")
        self.assertEqual(run("ingest", documents, "--config", config).returncode, 0)
        self.assertEqual(self.search("数据湖仓", *by_words, config)["hits"][0]["file"], "a.md")
        # What the knowledge base records holds without a configuration, but for the file with the user's words.
        result = run("search", "数据湖仓", "--route", "keyword", "--kb", self.kb, "--json")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("words.user_dictionary", json.loads(result.stdout)["error"]["remedy"])
        # Another way is refused until the texts are cut anew, and then found again.
        result = run("ingest", documents, "--config", pairs, "--json")
        self.assertIn("ragtime compact", json.loads(result.stdout)["error"]["remedy"])
        self.assertEqual(run("compact", "--config", pairs).returncode, 0)
        self.assertEqual(self.search("数据湖仓", *by_words, pairs)["hits"][0]["file"], "a.md")
        self.assertEqual(self.search("数据湖仓", "--route", "keyword", "--kb", self.kb)["hits"][0]["file"], "a.md")
        plain = self.configured("words: {chinese: jieba}\n", "plain.yaml")
        self.assertEqual(run("compact", "--config", plain).returncode, 0)
        self.assertEqual(self.search("湖", "--route", "keyword", "--kb", self.kb)["warnings"], [])
        # A user's dictionary that cannot be read, or that nothing would read, is named.
        words.unlink()
        self.assertIn("words.txt", run("search", "数据", "--config", config).stderr)
        wrong = self.configured("words: {chinese: bigrams, user_dictionary: words.txt}\n", "wrong.yaml")
        self.assertIn("words.chinese: jieba", run("search", "数据", "--config", wrong).stderr)

    def test_other_groups_are_made_without_embedding_known_texts_again(self):
        first = self.ingest("--kb", self.kb)
        one = self.configured("node_groups: {piece: sentence}\n")
        again = self.ingest("--config", one)
        self.assertEqual(again["files_changed"], 8)
        self.assertEqual((again["nodes_added"], again["nodes_reused"]), (first["nodes_added"], first["nodes_added"]))
        self.assertNotIn("embed", again["timings_ms"])
        self.assertEqual(self.ingest("--config", one)["files_unchanged"], 8)
        groups = "node_groups: {piece: sentence, summary: {splitter: summary}}\n"
        words = self.configured(groups + "retrievers: [{group: summary, similarity: bm25}]\n")
        added = self.ingest("--config", words)
        self.assertEqual(added["nodes_added"], first["nodes_added"] + 8)
        self.assertEqual(added["nodes_reused"], first["nodes_added"])
        self.assertNotIn("embed", added["timings_ms"], "no vector route looks at the summaries")
        meaning = self.configured(groups + "retrievers: [{group: summary, similarity: cosine}]\n")
        refused = run("search", LOST_CARD, "--config", meaning)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("were not embedded", refused.stderr)
        self.assertIn("ragtime ingest", refused.stderr)
        embedded = self.ingest("--config", meaning)
        self.assertEqual(embedded["nodes_added"] - embedded["nodes_reused"], 8, "the summaries alone")
        hits = self.search(LOST_CARD, "--config", meaning)["hits"]
        self.assertEqual({hit["group"] for hit in hits}, {"summary"})
        self.assertEqual(hits[0]["file"], "zh/借阅指南.md")
        unknown = self.configured("retrievers: [{group: chapter, similarity: bm25}]\n")
        refused = run("search", LOST_CARD, "--config", unknown)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("piece, summary", refused.stderr)
        refused = run("search", "x", "--config", self.configured("retrievers: [{similarity: psychic}]\n"))
        self.assertEqual(refused.returncode, 2)
        self.assertIn("RegisterSimilarity", refused.stderr)
        back = self.ingest("--config", self.configured("node_groups: {}\n"))
        self.assertEqual((back["nodes_added"], back["nodes_reused"]), (first["nodes_added"], first["nodes_added"]))
        self.assertEqual(run("verify", "--kb", self.kb).returncode, 0)

    def block(self, title):
        """The configuration under a heading of the guide."""
        guide = (SOURCE / "docs/guides/llamaindex.md").read_text()
        return re.search(rf"^## {re.escape(title)}\n+```yaml\n(.*?)```", guide, re.S | re.M).group(1)

    def test_vector_store_index(self):
        config = self.configured(self.block("VectorStoreIndex"))
        self.ingest("--config", config)
        hits = self.search(LOST_CARD, "--config", config)["hits"]
        self.assertEqual(hits[0]["file"], "zh/借阅指南.md")
        self.assertEqual(set(hits[0]["scores"]), {"vector"})
        self.assertGreater(hits[0]["scores"]["vector"], 0.8)
        # The same vectors by the other two metrics; l2 is negated.
        others = self.configured("retrievers: [{similarity: ip}, {similarity: l2}]\n", "others.yaml")
        best = self.search(LOST_CARD, "--config", others)["hits"][0]
        self.assertAlmostEqual(best["scores"]["ip"], hits[0]["scores"]["vector"], places=5)
        self.assertAlmostEqual(best["scores"]["l2"], 2 * hits[0]["scores"]["vector"] - 2, places=5)

    def test_summary_index(self):
        config = self.configured(self.block("SummaryIndex"))
        self.ingest("--config", config)
        one_file = ("--filter", "file_path = 'en/borrowing.md'")
        hits = self.search("anything", "--config", config, *one_file)["hits"]
        nodes = checked(run("query", "--from", "nodes", *one_file, "--kb", self.kb, "--json"), "query")
        self.assertEqual(len(hits), len(nodes["rows"]))
        starts = [hit["byte_start"] for hit in hits]
        self.assertEqual(starts, sorted(starts), "in the order of the text")

    def test_summary_index_with_a_language_model(self):
        server, llm = self.start_model()
        config = self.configured(self.block("SummaryIndex with a language model") + llm)
        self.ingest("--config", config)
        result = self.search("What does a new card cost?", "--config", config)
        self.assertEqual(len(result["hits"]), 1)
        self.assertIn("a replacement costs 3 euros", " ".join(result["hits"][0]["text"].split()))
        self.assertEqual(result["hits"][0]["scores"], {"chosen": 9})
        self.assertNotIn("embed", result["timings_ms"], "no route needs the embedding model")
        self.assertGreater(len(server.asked), 1, "ten nodes at a time")

    def test_document_summary_index(self):
        config = self.configured(self.block("DocumentSummaryIndex"))
        self.ingest("--config", config)
        for question, file in ((LOST_CARD, "zh/借阅指南.md"), ("laser cutter and 3D printers", "en/makerspace.md")):
            hits = self.search(question, "--config", config)["hits"]
            self.assertEqual(hits[0]["file"], file)
            self.assertEqual({hit["group"] for hit in hits}, {"sentence"})
            self.assertLessEqual(len({hit["file"] for hit in hits}), 2, "top_k counts documents")
            self.assertTrue(all("by_summary" in hit["via"] for hit in hits))

    def test_keyword_table_index(self):
        config = self.configured(self.block("KeywordTableIndex"))
        self.ingest("--config", config)
        for question, file in (("Is there an embroidery machine?", "en/makerspace.md"), ("激光切割机能切什么", "zh/创客空间.md")):
            result = self.search(question, "--config", config)
            self.assertTrue(result["hits"], question)
            self.assertEqual(result["hits"][0]["file"], file)
            score = result["hits"][0]["scores"]["table"]
            self.assertEqual(score, int(score), "a number of keywords")
            self.assertEqual(result["hits"][0]["group"], "sentence")

    def test_a_language_model_writes_the_groups_and_what_it_could_not_write_is_made_later(self):
        groups = (
            "node_groups:\n  sentence: sentence\n  summary: {splitter: summary, writer: llm}\n"
            "  keywords: {parent: sentence, splitter: keywords, writer: llm}\n"
            "  questions: {splitter: questions, writer: llm}\n"
            "retrievers:\n- {name: table, group: keywords, similarity: keywords, target: sentence}\n"
            "- {name: asked, group: questions, similarity: bm25, target: summary}\n"
        )
        dead = self.configured(groups + "llm: {api: openai, base_url: 'http://127.0.0.1:9/v1', model: m}\n")
        first = self.ingest("--config", dead)
        self.assertEqual({warning["code"] for warning in first["warnings"]}, {"group"})
        self.assertEqual(first["files_added"], 8)
        self.assertTrue(self.search("embroidery machine", "--config", dead)["hits"], "rules wrote meanwhile")
        server, llm = self.start_model()
        alive = self.configured(groups + llm)
        second = self.ingest("--config", alive)
        self.assertEqual((second["files_changed"], second["warnings"]), (8, []))
        self.assertNotIn("embed", second["timings_ms"])
        hits = self.search("Who flies a zeppelin?", "--config", alive)["hits"]
        self.assertEqual({hit["group"] for hit in hits}, {"sentence", "summary"})
        self.assertTrue(any(hit["text"].startswith("Zeppelin: ") for hit in hits))
        asked = len(server.asked)
        self.assertEqual(self.ingest("--config", alive)["files_unchanged"], 8)
        self.assertEqual(len(server.asked), asked, "nothing is written twice")

    def test_two_embedders_are_asked_side_by_side(self):
        self.ingest("--kb", self.kb)
        two = (
            "embed: {model: multilingual-e5-small}\n"
            "embedders: {english: {model: all-minilm-l6-v2}}\n"
            "retrievers: [{name: meaning, similarity: cosine}, {name: english, similarity: cosine, embed_key: english}]\n"
        )
        config = self.configured(two)
        before = run("search", "PVC", "--config", config)
        self.assertNotEqual(before.returncode, 0)
        self.assertIn("embedder english", before.stderr)
        self.assertIn("run ragtime ingest", before.stderr)
        report = self.ingest("--config", config)
        self.assertEqual(report["nodes_reused"], report["nodes_added"])
        result = self.search("Can I cut PVC with the laser?", "--config", config)
        self.assertEqual(result["embed_keys"], {"english": "english"})
        self.assertEqual(set(result["hits"][0]["scores"]), {"meaning", "english"})
        self.assertEqual(result["hits"][0]["file"], "en/makerspace.md")
        self.assertLessEqual({"embed", "embed:english", "meaning", "english"}, set(result["timings_ms"]))
        # The second model gives its own scores, those that it gives alone.
        doctor = checked(run("doctor", "--config", config, "--json"), "doctor")
        self.assertTrue(any("embedder english, 384 dimensions" in str(f) for f in doctor["findings"]), doctor)
        alone = self.configured("embed: {model: all-minilm-l6-v2}\n", "alone.yaml")
        other = self.folder / "other"
        self.ingest("--config", alone, "--kb", other)
        own = self.search("Can I cut PVC with the laser?", "--config", alone, "--kb", other, "--route", "vector")
        by_text = {hit["text"]: hit["scores"]["vector"] for hit in own["hits"]}
        for hit in result["hits"]:
            if "english" in hit["scores"] and hit["text"] in by_text:
                self.assertAlmostEqual(hit["scores"]["english"], by_text[hit["text"]], places=3)
        self.assertIn(result["hits"][0]["text"], by_text)
        stats = checked(run("stats", "--kb", self.kb, "--json"), "stats")
        self.assertEqual(stats["embedders"], {"english": {"model": "all-minilm-l6-v2", "dimension": 384}})
        # Merged, copied, backed up and given another usual model, it answers the same by the second.
        self.assertEqual(run("compact", "--kb", self.kb).returncode, 0)
        copy = self.folder / "copy.ragmap"
        copied = run("copy", "--from", self.kb, "--to", f"map:{copy}", "--json")
        self.assertEqual(copied.returncode, 0, copied.stderr + copied.stdout)
        self.assertEqual(run("reembed", "--model", "all-minilm-l6-v2", "--kb", self.kb, "--force").returncode, 0)
        only = "retrievers: [{name: english, similarity: cosine, embed_key: english}]\n"
        in_map = self.folder / "map.yaml"
        in_map.write_text(f"store_conf: {{type: map, kwargs: {{uri: '{copy}'}}}}\n" + only)
        scores = []
        for asked in (self.configured(only), in_map):
            hits = self.search("Can I cut PVC with the laser?", "--config", asked)["hits"]
            scores.append([(hit["text"], round(hit["scores"]["english"], 4)) for hit in hits])
        self.assertEqual(scores[0], scores[1])
        self.assertEqual(scores[0][0][0], result["hits"][0]["text"])
        # Another model under the key, and a store that cannot, are told by name.
        wrong = run("search", "PVC", "--config", self.configured(only + "embedders: {english: {model: other}}\n"))
        self.assertIn("under the key english", wrong.stderr)
        self.assertIn("another key", wrong.stderr)
        server = self.folder / "server.yaml"
        server.write_text("store_conf: {type: chroma, kwargs: {uri: 'http://127.0.0.1:1'}}\n" + two)
        refused = run("ingest", DOCUMENTS, "--config", server)
        self.assertIn("type chroma keeps one vector", refused.stderr)
        self.assertIn("embedder english", refused.stderr)

    def test_windows_diversity_and_priority(self):
        config = self.configured(
            "node_groups: {sentence: {size: 32, overlap: 0}}\nsearch: {top_k: 1, window_before: 1, window_after: 2}\n"
        )
        self.ingest("--config", config)
        hits = self.search(LOST_CARD, "--config", config)["hits"]
        self.assertEqual(len(hits), 4)
        self.assertEqual([hit.get("window_of") for hit in hits].count(None), 1)
        starts = [hit["byte_start"] for hit in hits]
        self.assertEqual(starts, sorted(starts))
        self.assertEqual(len({hit["score"] for hit in hits}), 1)
        diverse = self.configured("fusion: {mmr_lambda: 0.1}\nsearch: {top_k: 5}\n")
        result = self.search(LOST_CARD, "--config", diverse)
        self.assertIn("diversify", result["timings_ms"])
        plain = self.search(LOST_CARD, "--kb", self.kb, "--top-k", "5")
        self.assertEqual(result["hits"][0]["node_id"], plain["hits"][0]["node_id"])
        self.assertNotEqual([h["node_id"] for h in result["hits"]], [h["node_id"] for h in plain["hits"]])
        first = self.configured(
            "retrievers: [{name: words, similarity: bm25, top_k: 2}, {name: meaning, similarity: cosine}]\n"
            "fusion: {type: priority}\n"
        )
        hits = self.search(LOST_CARD, "--config", first)["hits"]
        self.assertEqual([hit["ranks"].get("words") for hit in hits[:3]], [1, 2, None])

    def test_a_similarity_of_ones_own(self):
        result = subprocess.run(
            [str(EXAMPLE), str(DOCUMENTS), "How much does a replacement for a lost card cost?", str(self.kb)],
            capture_output=True, text=True, timeout=120,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertTrue(lines[0].startswith("en/borrowing.md"), result.stdout)
        self.assertTrue(any("numbers=" in line for line in lines))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
