# SPDX-License-Identifier: Apache-2.0
"""Goal: `ragtime serve` as users run it: real models, real HTTP, streams, clients that leave, signals; and states of
the language model that outlive the process.

Run by ctest: serve_test.py BINARY SOURCE_DIR [unittest arguments]. Ingests examples/documents once.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
from command_line import BINARY, CommandLine, held, run, variables

QUESTION = "How much does a replacement for a lost card cost?"


class Serving:
    """A server process on a port that the system chose."""

    def __init__(self, kb, *arguments, **more):
        self.process = subprocess.Popen(
            [str(BINARY), "serve", "--kb", str(kb), "--port", "0", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables(more),
        )
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.port = held(json.loads(line), "listening")["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def request(self, method, path, body=None, timeout=300):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8")
        connection.close()
        return response, text

    def chat(self, question, **more):
        response, text = self.request(
            "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": question}], **more}
        )
        return response, text

    def metrics(self):
        values = {}
        for line in self.request("GET", "/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=300)
        return self.process.returncode, errors


class Serve(CommandLine):
    def test_ask_twice_reads_the_prompt_once(self):
        kb = self.copy_of_kb()

        def ask():
            result = run("ask", QUESTION, "--kb", kb, "--mode", "generate", "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            answer = json.loads(result.stdout)
            held(answer, "ask")
            return answer

        first, second = ask(), ask()
        self.assertEqual(first["usage"]["cached_tokens"], 0)
        self.assertGreater(first["usage"]["prompt_tokens"], 300)
        self.assertEqual(second["usage"]["cached_tokens"], second["usage"]["prompt_tokens"] - 1)
        self.assertEqual(second["answer"], first["answer"])
        # Several hundred tokens less, which take seconds on a busy machine; the rest of both is loading the model.
        warm = min(second["timings_ms"]["ttft"], ask()["timings_ms"]["ttft"])
        self.assertLess(warm, first["timings_ms"]["ttft"])
        # The folder is of no other use.
        for path in (kb / "kv").iterdir():
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        third = ask()
        self.assertEqual(third["usage"]["cached_tokens"], 0)
        self.assertEqual(third["answer"], first["answer"])
        self.assertIn("generator", [warning["code"] for warning in third["warnings"]])
        shutil.rmtree(kb / "kv")
        self.assertEqual(ask()["usage"]["cached_tokens"], 0)
        self.assertEqual(run("verify", "--kb", kb).returncode, 0)

    def test_chat_search_and_restart(self):
        kb = self.copy_of_kb()
        # Answers are not kept, so that the model is asked each time.
        with Serving(kb, "--mode", "generate", RAGTIME_CACHE_TYPE="none") as server:
            self.assertEqual(server.request("GET", "/healthz")[0].status, 200)
            self.assertEqual(server.request("GET", "/readyz")[0].status, 200)
            response, text = server.chat(QUESTION, max_tokens=12)
            self.assertEqual(response.status, 200, text)
            first = json.loads(text)
            # The instructions were read before anybody asked.
            cached = first["usage"]["prompt_tokens_details"]["cached_tokens"]
            self.assertGreater(cached, 0)
            self.assertLess(cached, 100)
            self.assertLess(cached, first["usage"]["prompt_tokens"] / 2)
            again = json.loads(server.chat(QUESTION, max_tokens=12)[1])
            self.assertEqual(
                again["usage"]["prompt_tokens_details"]["cached_tokens"], again["usage"]["prompt_tokens"] - 1
            )
            self.assertEqual(again["choices"], first["choices"])
            response, text = server.chat(QUESTION, max_tokens=12, stream=True, stream_options={"include_usage": True})
            self.assertEqual(response.getheader("Content-Type"), "text/event-stream")
            events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
            self.assertEqual(events.pop(), "[DONE]")
            events = [json.loads(event) for event in events]
            pieces = [e["choices"][0]["delta"].get("content", "") for e in events if e["choices"]]
            self.assertEqual("".join(pieces), first["choices"][0]["message"]["content"])
            self.assertIn("usage", events[-1])
            response, text = server.request("POST", "/v1/search", {"query": QUESTION, "top_k": 3})
            found = json.loads(text)
            held(found, "search")
            self.assertEqual(found["hits"][0]["file"], "en/borrowing.md")
            metrics = server.metrics()
            self.assertEqual(metrics['ragtime_requests_total{path="/v1/chat/completions",code="200"}'], 3)
            self.assertGreater(metrics["ragtime_llm_cached_tokens_total"], 0)
            code, errors = server.end()
            self.assertEqual(code, 0, errors)
        with Serving(kb, "--mode", "generate", RAGTIME_CACHE_TYPE="none") as server:
            warm = json.loads(server.chat(QUESTION, max_tokens=12)[1])
            self.assertEqual(
                warm["usage"]["prompt_tokens_details"]["cached_tokens"], warm["usage"]["prompt_tokens"] - 1
            )
            self.assertEqual(warm["choices"], first["choices"])

    def test_citations_of_extracted_answers(self):
        with Serving(self.copy_of_kb(), "--mode", "extract") as server:
            response, text = server.chat("借书证丢了怎么办？")
            answer = json.loads(text)
            self.assertEqual(answer["ragtime"]["mode"], "extract")
            self.assertEqual(answer["citations"][0]["file"], "zh/借阅指南.md")
            self.assertIn("[1]", answer["choices"][0]["message"]["content"])
            response, text = server.chat("x", ragtime={"filter": "nothing ="})
            self.assertEqual(response.status, 400)
            self.assertEqual(json.loads(text)["error"]["code"], "invalid_argument")

    def test_a_session_goes_on_without_its_history(self):
        with Serving(self.copy_of_kb(), "--mode", "extract", RAGTIME_CACHE_SESSION_TURNS="2") as server:

            def ask(question, owner, session):
                more = {"user": owner, "metadata": {"session": session}} if session else {"user": owner}
                response, text = server.chat(question, **more)
                self.assertEqual(response.status, 200, text)
                return json.loads(text)["ragtime"].get("standalone_question")

            self.assertIsNone(ask(QUESTION, "li", "s1"))
            self.assertIn("lost card", ask("And how long does it take?", "li", "s1"))
            # Neither another owner's of that name, nor another one, nor a question without any.
            self.assertIsNone(ask("And how long does it take?", "wang", "s1"))
            self.assertIsNone(ask("And how long does it take?", "li", "s2"))
            self.assertIsNone(ask("And how long does it take?", "li", None))
            # Two turns are kept: what was asked before them is forgotten.
            for question in ("When is the makerspace open?", "How many books may I borrow?"):
                ask(question, "li", "s1")
            follow_up = ask("And for children?", "li", "s1")
            self.assertIn("How many books", follow_up)
            self.assertNotIn("lost card", follow_up)
        with Serving(self.copy_of_kb(), "--mode", "extract", RAGTIME_CACHE_SESSION_TTL_S="1") as server:
            more = {"user": "li", "metadata": {"session": "s1"}}
            server.chat(QUESTION, **more)
            time.sleep(3)
            answer = json.loads(server.chat("And how long does it take?", **more)[1])
            self.assertNotIn("standalone_question", answer["ragtime"])
        with Serving(self.copy_of_kb(), "--mode", "extract", RAGTIME_CACHE_TYPE="none") as server:
            response, text = server.chat(QUESTION, metadata={"session": "s1"})
            self.assertGreaterEqual(response.status, 400)
            self.assertIn("cache: {type: memory}", text)

    def test_many_at_once_and_who_leaves(self):
        with Serving(self.copy_of_kb(), "--mode", "generate") as server:
            leaver = socket.create_connection(("127.0.0.1", server.port))
            message = {"role": "user", "content": "Can I cut PVC with the laser?"}
            body = json.dumps({"messages": [message], "stream": True})
            leaver.sendall(
                (
                    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}"
                ).encode()
            )
            questions = [QUESTION, "Can I cut PVC with the laser?", "When do the study rooms close?", QUESTION]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                answers = [pool.submit(server.chat, question, max_tokens=8, user=question) for question in questions]
                time.sleep(0.2)
                leaver.close()
                for answer in answers:
                    response, text = answer.result()
                    self.assertEqual(response.status, 200, text)
                    self.assertTrue(json.loads(text)["choices"][0]["message"]["content"])
            for _ in range(600):
                metrics = server.metrics()
                running = ("requests_running", "llm_requests_running", 'threads_taken{for="answer"}')
                if not any(metrics[f"ragtime_{name}"] for name in running):
                    break
                time.sleep(0.1)
            self.assertEqual(metrics["ragtime_requests_running"], 0)
            self.assertEqual(metrics["ragtime_llm_kv_cells_reserved"], 0)
            # Embedder and language model took their threads from one budget, and gave them back.
            self.assertEqual(metrics["ragtime_threads"], len(os.sched_getaffinity(0)))
            for user in ("question", "answer", "background"):
                self.assertEqual(metrics[f'ragtime_threads_taken{{for="{user}"}}'], 0)
            self.assertGreater(metrics["ragtime_questions_embedded_total"], 0)

    def test_bench_serve_measures_this_and_any_other_server(self):
        def checked(result):
            value = json.loads(result.stdout)
            held(value, "bench-serve")
            return value

        kb = self.copy_of_kb()
        plot = kb.parent / "plot.svg"
        small = ("--requests", "4", "--max-tokens", "4", "--concurrency", "2,1")
        result = run("bench", "serve", "--kb", kb, *small, "--plot", plot, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = checked(result)["rows"]
        self.assertEqual([row["users"] for row in rows], [1, 2])
        for row in rows:
            self.assertEqual((row["requests"], row["failed"]), (4, 0))
            self.assertGreater(row["prompt_tokens"], 4 * 100)
            self.assertLessEqual(row["completion_tokens"], 4 * 4)
            self.assertGreater(row["ttft_p50_ms"], 0)
            self.assertGreaterEqual(row["ttft_p95_ms"], row["ttft_p50_ms"])
        # The second row asks the same questions again.
        self.assertGreater(rows[1]["cached_tokens"], rows[1]["prompt_tokens"] // 2)
        drawn = xml.etree.ElementTree.parse(plot).getroot()
        lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [2, 2, 2, 2])

        questions = kb.parent / "questions"
        questions.write_text(QUESTION + "\n")
        with Serving(kb, "--mode", "extract") as server:
            url = f"http://127.0.0.1:{server.port}/v1"
            result = run("bench", "serve", "--url", url, *small, "--questions", questions)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stdout, r"\|\s+2 \|.*\|\s+0 \|\s+\d+ % \|")
            result = run("bench", "serve", "--url", url, *small)
            self.assertEqual(result.returncode, 2)
            self.assertIn("--questions FILE", result.stderr)
        result = run("bench", "serve", "--url", url, *small, "--questions", questions, "--json")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the server gave no answer", json.loads(result.stdout)["error"]["message"])
        result = run("bench", "serve", "--url", url, "--kb", kb)
        self.assertEqual(result.returncode, 2)
        self.assertIn("measures one server", result.stderr)

    def test_a_signal_lets_the_answer_finish(self):
        with Serving(self.copy_of_kb(), "--mode", "generate", RAGTIME_SERVER_DRAIN_MS="240000") as server:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                answer = pool.submit(server.chat, QUESTION, max_tokens=20)
                while server.metrics()["ragtime_requests_running"] == 0 and not answer.done():
                    time.sleep(0.01)
                code, errors = server.end(signal.SIGINT)
                self.assertEqual(code, 0, errors)
                response, text = answer.result()
                self.assertEqual(response.status, 200, text)

    def test_bad_starts_are_named(self):
        result = run("serve", "--kb", self.folder / "missing", "--port", "0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no knowledge base", result.stderr)
        with Serving(self.copy_of_kb()) as server:
            result = run("serve", "--kb", self.copy_of_kb(), "--port", server.port)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"127.0.0.1:{server.port}", result.stderr)
        self.assertEqual(run("serve", "--kb", self.kb, "--port", "70000").returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
