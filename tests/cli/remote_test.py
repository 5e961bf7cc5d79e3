# SPDX-License-Identifier: Apache-2.0
"""Goal: with models on servers a knowledge base is ingested, searched, reranked and asked as with those of this
process, and what goes wrong there is named.

Run by ctest: remote_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import base64
import hashlib
import http.server
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from command_line import BINARY, DOCUMENTS, checked, run, start_server, variables

DIMENSION = 256


def vector_of(text, model):
    """Texts that share words, or Chinese characters, are near each other."""
    vector = [0.0] * DIMENSION
    for word in re.findall(r"[a-z]+|[一-鿿]", text.lower()):
        digest = hashlib.sha256(f"{model} {word}".encode()).digest()
        weight = 0.1 if re.fullmatch("[a-z]{1,4}", word) else 1.0
        for i in range(4):
            vector[digest[2 * i] % DIMENSION] += weight if digest[2 * i + 1] % 2 else -weight
    if not any(vector):
        vector[0] = 1.0
    return vector


class ScriptedModels(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(200, "{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if self.server.refuse:
            return self.reply(self.server.refuse, "{}")
        if self.path == "/v1/embeddings":
            return self.reply(200, json.dumps(self.embeddings(body)))
        if self.path == "/v1/rerank":
            # The shortest text first; the last of them is sent first.
            scores = [
                {"index": i, "relevance_score": -float(len(text))} for i, text in enumerate(body["documents"])
            ]
            return self.reply(200, json.dumps({"results": scores[::-1]}))
        pieces = [
            {"reasoning_content": "Passage [2] may say it, "},
            {"reasoning_content": "or [1]."},
            {"content": "It is said [1]."},
        ]
        chunks = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.reply(
            200, "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n", "text/event-stream"
        )

    def embeddings(self, body):
        data = []
        for i, text in enumerate(body["input"]):
            vector = vector_of(text, self.server.model)
            if body["encoding_format"] == "base64":
                vector = base64.b64encode(struct.pack(f"<{DIMENSION}f", *vector)).decode()
            data.append({"index": i, "embedding": vector})
        return {"data": data[::-1], "model": body["model"]}

    def reply(self, code, body, content_type="application/json"):
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Remote(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_remote_"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.kb = self.folder / "kb"

    def start(self, model="a"):
        return start_server(self, ScriptedModels, asked=[], refuse=0, model=model)

    def dead_url(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

    def configured(self, text):
        config = self.folder / "ragtime.yaml"
        config.write_text(f"store_conf: {{kwargs: {{uri: '{self.kb}'}}}}\ncache: {{type: none}}\n" + text)
        return ("--config", config)

    def embed(self, urls, more=""):
        return f"embed: {{api: openai, base_url: {json.dumps(urls)}, model: org/embedder{more}}}\n"

    def test_embedding_by_a_server(self):
        server = self.start()
        options = self.configured(self.embed(server.url, ", encoding: base64, batch: 4, query_prefix: 'query: '"))
        ingested = checked(run("ingest", DOCUMENTS, *options, "--json"), "ingest")
        self.assertEqual(ingested["warnings"], [])
        asked = [body for path, body in server.asked if path == "/v1/embeddings"]
        self.assertGreater(len(asked), 3)
        self.assertTrue(all(len(body["input"]) <= 5 for body in asked), "4 texts, and that to compare by")
        self.assertEqual({body["model"] for body in asked}, {"org/embedder"})
        stats = checked(run("stats", *options, "--json"), "stats")
        self.assertEqual(stats["dimension"], DIMENSION)
        self.assertEqual(stats["model"], "org/embedder")

        server.asked.clear()
        found = checked(run("search", "Can I cut PVC with the laser?", *options, "--json"), "search")
        self.assertEqual(found["hits"][0]["file"], "en/makerspace.md")
        self.assertIn("vector", found["hits"][0]["scores"])
        self.assertEqual(found["warnings"], [])
        # What is recorded need not be asked for.
        self.assertEqual([len(body["input"]) for _, body in server.asked], [2])
        self.assertEqual(server.asked[0][1]["input"][1], "query: Can I cut PVC with the laser?")

        # Nothing changed: no text goes out.
        server.asked.clear()
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        self.assertEqual(server.asked, [])

    def test_a_server_that_is_down_and_one_with_another_model(self):
        server = self.start()
        options = self.configured(self.embed(server.url))
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        question = "Can I cut PVC with the laser?"

        options = self.configured(self.embed(self.dead_url()))
        found = checked(run("search", question, *options, "--json"), "search")
        self.assertEqual(set(found["hits"][0]["scores"]), {"keyword"})
        self.assertIn("embed.base_url", found["warnings"][0]["message"])

        options = self.configured(self.embed([self.dead_url(), server.url]))
        found = checked(run("search", question, *options, "--json"), "search")
        self.assertEqual(found["hits"][0]["file"], "en/makerspace.md")
        self.assertEqual([warning["code"] for warning in found["warnings"]], ["embedder"])
        self.assertIn(f"{server.url} answered in place of", found["warnings"][0]["message"])

        other = self.start(model="b")
        options = self.configured(self.embed(other.url))
        refused = run("search", question, *options, "--route", "vector", "--json")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("other vectors", refused.stdout)
        # Another prefix, and a model of this process: neither is taken for the recorded one.
        prefixed = self.embed(server.url, ", passage_prefix: 'passage: '")
        for text in (prefixed, "embed: {model: multilingual-e5-small}\n"):
            refused = run("search", question, *self.configured(text), "--json")
            self.assertNotEqual(refused.returncode, 0, text)
        refused = run("search", question, "--kb", self.kb, "--json")
        self.assertIn("embed: {api: openai", refused.stdout)

    def test_another_model_takes_over_by_reembed(self):
        options = self.configured(self.embed(self.start().url))
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        other = self.start(model="b")
        options = self.configured(self.embed(other.url).replace("org/embedder", "org/other"))
        report = run("reembed", *options, "--model", "org/other", "--json")
        self.assertEqual(report.returncode, 0, report.stdout + report.stderr)
        self.assertEqual(checked(run("stats", *options, "--json"), "stats")["model"], "org/other")
        found = checked(run("search", "Can I cut PVC with the laser?", *options, "--json"), "search")
        self.assertEqual(found["hits"][0]["file"], "en/makerspace.md")
        self.assertEqual(found["warnings"], [])

    def test_reranking_by_a_server(self):
        server = self.start()
        rerank = f"rerank: {{type: remote, base_url: '{server.url}', model: r, candidates: 5}}\n"
        options = self.configured(self.embed(server.url) + rerank)
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        found = checked(run("search", "Can I cut PVC with the laser?", *options, "--json"), "search")
        self.assertEqual(found["warnings"], [])
        scores = [hit["score"] for hit in found["hits"]]
        self.assertEqual(len(scores), 5)
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(scores, [-float(len(hit["text"])) for hit in found["hits"]])
        self.assertIn("rerank", found["timings_ms"])
        # Words are looked at first: what they drop is not sent.
        server.asked.clear()
        words = rerank.replace("candidates: 5", "required: [laser]")
        found = checked(
            run("search", "Can I cut PVC with the laser?", *self.configured(self.embed(server.url) + words), "--json"),
            "search",
        )
        sent = [body for path, body in server.asked if path == "/v1/rerank"][0]["documents"]
        self.assertTrue(all("laser" in text.lower() for text in sent))
        self.assertEqual(len(found["hits"]), len(sent))
        # The fused order stays where it fails.
        server.refuse = 500
        options = self.configured(self.embed(self.start().url) + rerank)
        found = checked(run("search", "Can I cut PVC with the laser?", *options, "--json"), "search")
        self.assertEqual(found["hits"][0]["file"], "en/makerspace.md")
        self.assertEqual([warning["code"] for warning in found["warnings"]], ["rerank_failed"])

    def test_the_next_language_model_answers_and_its_thoughts_are_not_cited(self):
        server = self.start()
        llm = f"llm: {{api: openai, base_url: ['{self.dead_url()}', '{server.url}'], model: m, thinking_tokens: 64}}\n"
        options = self.configured(self.embed(server.url) + llm)
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        answer = checked(run("ask", "Can I cut PVC with the laser?", *options, "--json"), "ask")
        self.assertEqual(answer["mode"], "generate")
        self.assertEqual(answer["answer"], "It is said [1].")
        self.assertEqual(answer["reasoning"], "Passage [2] may say it, or [1].")
        self.assertEqual([citation["marker"] for citation in answer["citations"]], [1])
        self.assertEqual([warning["code"] for warning in answer["warnings"]], ["generator"])
        self.assertIn(f"{server.url} answered in place of", answer["warnings"][0]["message"])
        body = [body for path, body in server.asked if path == "/v1/chat/completions"][0]
        self.assertEqual(body["max_tokens"], 256 + 64)
        self.assertTrue(body["chat_template_kwargs"]["enable_thinking"])

    def test_a_server_that_starts_again_is_ready_for_what_was_asked_last(self):
        server = self.start()
        model = "llm: {model: smollm2-135m-instruct, max_tokens: 4}\nanswer: {mode: generate}\n"
        options = self.configured(self.embed(server.url) + model)
        self.assertEqual(run("ingest", DOCUMENTS, *options).returncode, 0)
        for question in ("Can I cut PVC with the laser?", "How much does a replacement for a lost card cost?"):
            first = checked(run("ask", question, *options, "--json"), "ask")
            self.assertGreater(first["usage"]["prompt_tokens"], 100)
        server.asked.clear()
        serving = subprocess.Popen(
            [str(BINARY), "serve", *map(str, options), "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables(),
        )
        try:
            self.assertIn("listening", serving.stdout.readline())
            self.assertEqual([body["input"][-1:] for _, body in server.asked], [[question]])
        finally:
            serving.terminate()
            serving.communicate(timeout=120)

    def test_doctor_names_each_server(self):
        server = self.start()
        dead = self.dead_url()
        report = run("doctor", *self.configured(self.embed([server.url, dead])), "--json")
        findings = {finding["name"]: finding for finding in json.loads(report.stdout)["findings"]}
        self.assertEqual(findings[server.url]["health"], "good")
        self.assertEqual(findings[dead]["health"], "limited")
        self.assertIn(f"{DIMENSION} dimensions", findings["org/embedder"]["detail"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
