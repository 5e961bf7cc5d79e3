#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question to first answer token: Ragtime's own engine beside llama-server of the same source, with the same prompts.

usage: bench/generate.py BUILD_FOLDER MODELS_FOLDER PEERS WORK [--sets same,zipf,unique,restart] [--users 1,16]
                         [--questions 40] [--max-tokens 24] [--sides ragtime,llama-server]

PEERS is made by bench/generate_peers.sh. Documents and headings are those of bench/recall.py (Debian's reference in
English and PostgreSQL's documentation), 5 passages of at most 256 tokens a question.

  same     one question six times: the first is a full prefill, the others find everything
  zipf     the section asked about is drawn by Zipf's law (exponent 1) of 40, the wording evenly of 5: passages repeat,
           prompts seldom do
  unique   no two questions share a passage
  restart  a question, a restart of the server, the same question; llama-server saves its slot and restores it

Ragtime is asked over HTTP, its search included. llama-server is sent the very messages that Ragtime would send to a
server, recorded before, so that it is spared the search. Both get temperature 0. Each row has a fresh server, which
answers another question first. Results are kept in WORK/results by commit, so that a run that was cut off goes on.
"""

import argparse
import concurrent.futures
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import threading
import time

import recall
import start

WORDINGS = ("%s", "What is said about %s?", "Explain %s.", "How does %s work?", "When do I need %s?")
WARM_UP = "Which packages are installed at first?"


class Recorder(http.server.BaseHTTPRequestHandler):
    """A server that answers "ok" and remembers what it was asked."""

    asked = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Recorder.asked.append(body["messages"])
        event = {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}
        text = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def environment(arguments, **more):
    return {**os.environ, "RAGTIME_MODELS": str(arguments.models), "RAGTIME_CACHE_TYPE": "none", **more}


class Ragtime:
    """`ragtime serve` on a copy of the knowledge base without saved states, or on the folder of an earlier server."""

    def __init__(self, arguments, users, folder=None, **more):
        self.folder = folder or arguments.work / "server"
        if folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(arguments.work / "kb", self.folder, ignore=shutil.ignore_patterns("kv"))
        more = {"RAGTIME_LLM_PARALLEL": str(max(8, users)), **more}
        self.process = subprocess.Popen(
            [arguments.build / "ragtime", "serve", "--kb", self.folder, "--port", "0", "--json", "--mode", "generate"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(arguments, **more),
        )
        self.port = json.loads(self.process.stdout.readline())["port"]

    def body(self, question):
        return {"messages": [{"role": "user", "content": question}]}

    def stop(self):
        self.process.terminate()
        self.process.wait()


class LlamaServer:
    """llama-server with its defaults (prompts are cached in slots and in memory) and room for each user's prompt."""

    def __init__(self, arguments, users, prompts):
        self.prompts = prompts
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        slots = max(4, users)
        self.states = arguments.work / "slots"
        self.states.mkdir(exist_ok=True)
        self.log = open(arguments.work / "llama-server.log", "w")
        self.process = subprocess.Popen(
            [
                arguments.peers / "llama-server",
                *("-m", arguments.models / "smollm2-135m-instruct" / "model.gguf", "--port", str(self.port)),
                *("-t", str(os.cpu_count()), "-np", str(slots), "-c", str(2048 * slots), "--kv-unified"),
                *("--slot-save-path", f"{self.states}/"),
            ],
            stdout=self.log,
            stderr=self.log,
        )
        while not self.answers("/health"):
            if self.process.poll() is not None:
                raise RuntimeError(f"llama-server ended: see {self.log.name}")
            time.sleep(0.05)

    def answers(self, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False

    def slot(self, action):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for slot in range(4):
            body = json.dumps({"filename": f"slot{slot}.bin"})
            connection.request("POST", f"/slots/{slot}?action={action}", body, {"Content-Type": "application/json"})
            connection.getresponse().read()

    def body(self, question):
        return {"messages": self.prompts[question]}

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def ask(server, question, max_tokens):
    """What one streamed answer took, in milliseconds, and what the server counted; None where it failed."""
    body = {
        **server.body(question),
        **{"stream": True, "stream_options": {"include_usage": True}, "temperature": 0, "max_tokens": max_tokens},
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        return None
    first, usage, text = None, None, ""
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            return None
        piece = event["choices"][0]["delta"].get("content") if event.get("choices") else None
        if piece:
            first = first or (time.perf_counter() - began) * 1000
            text += piece
        usage = event.get("usage") or usage
    total = (time.perf_counter() - began) * 1000
    connection.close()
    if first is None or usage is None:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    counts = {"prompt": usage["prompt_tokens"], "cached": cached, "written": usage["completion_tokens"]}
    return {"question": question, "first": first, "total": total, "text": text, **counts}


def ask_all(server, questions, users, max_tokens):
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(users) as pool:
        answers = list(pool.map(lambda question: ask(server, question, max_tokens), questions))
    return {"seconds": time.perf_counter() - began, "answers": answers}


def prepare(arguments):
    """The knowledge base and the lists of questions, made once."""
    work = arguments.work
    if not (work / "questions.json").exists():
        documents, sections = recall.make_documents(work, 600)
        shutil.rmtree(work / "kb", ignore_errors=True)
        folders = [documents / corpus for corpus in ("debian-en", "postgresql")]
        subprocess.run(
            [arguments.build / "ragtime", "ingest", *folders, "--kb", work / "kb"],
            check=True,
            capture_output=True,
            env=environment(arguments),
        )
        headings = [heading for corpus, heading, _ in sections if corpus != "debian-zh" and len(heading.split()) > 1]
        (work / "questions.json").write_text(json.dumps(random.Random(3).sample(headings, 400)))
    headings = json.loads((work / "questions.json").read_text())
    draw = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(40)]
    zipf = [
        draw.choice(WORDINGS) % heading for heading in draw.choices(headings[:40], weights, k=arguments.questions)
    ]
    return headings, zipf


def record(arguments, questions):
    """The messages of each question, as Ragtime sends them to a server."""
    file = arguments.work / "prompts.json"
    prompts = json.loads(file.read_text()) if file.exists() else {}
    missing = [question for question in dict.fromkeys(questions) if question not in prompts]
    if missing:
        recorder = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{recorder.server_port}/v1"
        server = Ragtime(arguments, 1, RAGTIME_LLM_API="openai", RAGTIME_LLM_BASE_URL=url, RAGTIME_LLM_MODEL="any")
        for question in missing:
            Recorder.asked.clear()
            ask(server, question, 8)
            if len(Recorder.asked) == 1:  # None where nothing was found.
                prompts[question] = Recorder.asked[0]
        server.stop()
        recorder.shutdown()
        file.write_text(json.dumps(prompts))
    return prompts


def without_shared_passages(prompts, questions, count):
    """The first questions whose passages stand in no earlier one's prompt."""
    seen, chosen = set(), []
    for question in questions:
        text = prompts[question][-1]["content"] if question in prompts else ""
        passages = {line for line in text.split("\n") if len(line) > 60}
        if len(text) > 2000 and not passages & seen:
            seen |= passages
            chosen.append(question)
        if len(chosen) == count:
            break
    return chosen


def row(name, side, users, result):
    answers = [answer for answer in result["answers"] if answer]
    firsts = sorted(answer["first"] for answer in answers)
    written = sum(answer["written"] for answer in answers)
    pace = [(a["total"] - a["first"]) / (a["written"] - 1) for a in answers if a["written"] > 1]
    cached = 100 * sum(answer["cached"] for answer in answers) / sum(answer["prompt"] for answer in answers)
    return (
        f"| {name} | {users} | {side} | {statistics.median(firsts):.0f} | {firsts[int(len(firsts) * 0.95)]:.0f} | "
        f"{statistics.median(pace):.1f} | {written / result['seconds']:.1f} | {cached:.0f} % | "
        f"{len(result['answers']) - len(answers)} |"
    )


def measure(arguments, side, name, users, questions, prompts):
    make = {
        "ragtime": lambda folder=None: Ragtime(arguments, users, folder),
        "llama-server": lambda folder=None: LlamaServer(arguments, users, prompts),
    }[side]
    server = make()
    try:
        ask(server, WARM_UP, 2)
        result = ask_all(server, questions, users, arguments.max_tokens)
        if name == "restart":
            if side == "llama-server":
                server.slot("save")
            server.stop()
            server = make(server.folder if side == "ragtime" else None)
            if side == "llama-server":
                began = time.perf_counter()
                server.slot("restore")
                restored = (time.perf_counter() - began) * 1000
            # Neither has loaded more than it needs to be ready; the restoring counts as part of the first answer.
            after = ask_all(server, questions, users, arguments.max_tokens)
            if side == "llama-server":
                after["answers"][0]["first"] += restored
            result["answers"] += after["answers"]
            result["seconds"] += after["seconds"]
    finally:
        server.stop()
    return result


def compare(name, results, users):
    """The lines that say how the sides differ."""
    ours, theirs = (results[side]["answers"] for side in ("ragtime", "llama-server"))
    pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
    same = sum(a["text"] == b["text"] for a, b in pairs)
    alike = sum(a["text"][:24] == b["text"][:24] for a, b in pairs)
    median = [statistics.median(pair[i]["first"] for pair in pairs) for i in (0, 1)]
    p95 = [sorted(pair[i]["first"] for pair in pairs)[int(len(pairs) * 0.95)] for i in (0, 1)]
    pace = [sum(a["written"] for a in side if a) for side in (ours, theirs)]
    speed = pace[0] / results["ragtime"]["seconds"] / (pace[1] / results["llama-server"]["seconds"])
    prompts = [statistics.mean(pair[i]["prompt"] for pair in pairs) for i in (0, 1)]
    return (
        f"  {name}, {users} users: TTFT p50 {median[1] / median[0]:.2f}x, p95 {p95[1] / p95[0]:.2f}x sooner, "
        f"{speed:.2f}x the tokens/s; {same} of {len(pairs)} answers equal, {alike} in their first 24 letters; "
        f"{prompts[0]:.0f} and {prompts[1]:.0f} tokens a prompt"
    )


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "models", "peers", "work"):
        parser.add_argument(name, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--sets", default="same,zipf,unique,restart")
    parser.add_argument("--users", default="1,16")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--sides", default="ragtime,llama-server")
    arguments = parser.parse_args()
    (arguments.work / "results").mkdir(parents=True, exist_ok=True)
    headings, zipf = prepare(arguments)
    prompts = record(arguments, [WARM_UP, *zipf, *headings[40:]])
    unique = without_shared_passages(prompts, headings[40:], arguments.questions)
    # Where nothing was found, no model is asked.
    zipf = [question for question in zipf if question in prompts]
    sets = {"same": unique[:1] * 6, "zipf": zipf, "unique": unique, "restart": unique[:1]}
    machine = start.machine()
    commit = machine.split()[-1]
    print(f"{machine}; smollm2-135m-instruct; {len(zipf)} questions (zipf), {len(unique)} (unique)\n")
    heads = ["set", "users", "side", "TTFT p50 ms", "p95 ms", "TPOT ms", "tokens/s", "cached", "failed"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    lines = []
    for name in arguments.sets.split(","):
        for users in map(int, arguments.users.split(",")):
            if users > 1 and name in ("same", "restart"):
                continue
            results = {}
            for side in arguments.sides.split(","):
                file = arguments.work / "results" / f"{commit}-{name}-{users}-{side}-{arguments.questions}.json"
                if not file.exists():
                    file.write_text(json.dumps(measure(arguments, side, name, users, sets[name], prompts)))
                results[side] = json.loads(file.read_text())
                print(row(name, side, users, results[side]), flush=True)
                if name in ("same", "restart"):
                    firsts = [answer["first"] for answer in results[side]["answers"]]
                    later = statistics.median(firsts[1:])
                    lines.append(f"  {name}, {side}: first {firsts[0]:.0f} ms, then {later:.1f} ms")
            if len(results) == 2:
                lines.append(compare(name, results, users))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
