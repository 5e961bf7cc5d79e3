# SPDX-License-Identifier: Apache-2.0
"""Goal: `ask` answers in both languages with citations that hold, and says so where it cannot.

Run by ctest: ask_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import json
import subprocess
import sys
import time
import unittest

from command_line import CommandLine, checked, held, run, text_at, words


class Ask(CommandLine):
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
            held(event, "event")
        held(events[-1]["answer"], "ask")
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
        self.assertNotIn("prompt tokens", result.stderr, "no model read any")

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
