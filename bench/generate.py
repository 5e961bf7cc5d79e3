#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question to first answer token: Ragtime's own engine beside llama-server of the same source, with the same prompts,
LlamaIndex before such a llama-server, and OpenVINO GenAI.

usage: bench/generate.py BUILD_FOLDER MODELS_FOLDER PEERS WORK [--sets same,zipf,unique,restart] [--users 1,16]
                         [--questions 40] [--max-tokens 24] [--sides ragtime,llama-server,llama-index,openvino]

PEERS is made by bench/generate_peers.sh. Documents and headings are those of bench/recall_sets.py (Debian's
reference in English and PostgreSQL's documentation), 5 passages of at most 256 tokens a question.

  same     one question six times: the first is a full prefill, the others find everything
  zipf     the section asked about is drawn by Zipf's law (exponent 1) of 40, the wording evenly of 5: passages repeat,
           prompts seldom do
  unique   no two questions share a passage
  restart  a question, a restart of the server, the same question; llama-server saves its slot and restores it

  ragtime       asked over HTTP, its search included
  llama-server  sent the very messages that Ragtime would send to a server, recorded before: it is spared the search
  llama-index   its own index (the default, in memory) over the same nodes with the same vectors, 5 passages and a
                prompt of its own, streamed from a llama-server; its search is included, but not the embedding of the
                question, which is ready made
  openvino      in process, prefix cache on, reads the same GGUF; sent the recorded messages: spared search and HTTP.
                Its defaults: 8-bit KV cache, and BF16 where the processor multiplies it; the others use ggml

All get temperature 0. Each row has a fresh server, which answers another question first. Results are kept in
WORK/results by commit, so that a run that was cut off goes on. One scorer for all, that of `ragtime tune --kv` too
(src/text/answer_score.h): "from passages" is the share of the answers' words that stand in the passages, "heading" that
of the asked heading's words that stand in the answers. By default only the first two sides run.
"""

import argparse
import http.server
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import threading
import time

import recall_sets
import start
from generate_scores import scores
from generate_sides import LlamaIndex, LlamaServer, OpenVino, Ragtime, ask, environment

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


def prepare(arguments):
    """The knowledge base and the lists of questions, made once."""
    work = arguments.work
    if not (work / "questions.json").exists():
        documents, sections = recall_sets.make("headings", work, 600)
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


def summary(result):
    answers = [answer for answer in result["answers"] if answer]
    firsts = sorted(answer["first"] for answer in answers)
    return {
        "answers": answers,
        "p50": statistics.median(firsts),
        "p95": firsts[int(len(firsts) * 0.95)],
        "speed": sum(answer["written"] for answer in answers) / result["seconds"],
        "failed": len(result["answers"]) - len(answers),
    }


def row(build, name, side, users, result, prompts):
    got = summary(result)
    answers = got["answers"]
    pace = [(a["total"] - a["first"]) / (a["written"] - 1) for a in answers if a["written"] > 1]
    cached = "not told"
    if all("cached" in answer for answer in answers):
        cached = f"{100 * sum(a['cached'] for a in answers) / sum(a['prompt'] for a in answers):.0f} %"
    supported, topical = scores(build / "bench" / "score_answers", answers, prompts)
    return (
        f"| {name} | {users} | {side} | {got['p50']:.0f} | {got['p95']:.0f} | "
        f"{statistics.median(pace) if pace else 0:.1f} | {got['speed']:.1f} | {cached} | {got['failed']} | "
        f"{supported:.0f} % | {topical:.0f} % |"
    )


def measure(arguments, side, name, users, questions, prompts):
    make = {
        "ragtime": lambda folder=None: Ragtime(arguments, users, folder),
        "llama-server": lambda folder=None: LlamaServer(arguments, users, prompts),
        "llama-index": lambda folder=None: LlamaIndex(arguments, users, prompts),
        "openvino": lambda folder=None: OpenVino(arguments),
    }[side]
    server = make()
    try:
        server.run([WARM_UP], 1, 2)
        result = server.run(questions, users, arguments.max_tokens)
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
            after = server.run(questions, users, arguments.max_tokens)
            if side == "llama-server":
                after["answers"][0]["first"] += restored
                after["answers"][0]["total"] += restored
            result["answers"] += after["answers"]
            result["seconds"] += after["seconds"]
    finally:
        server.stop()
    return result


def compare(name, results, users, other):
    """The line that says how Ragtime and another side differ."""
    ours, theirs = (results[side]["answers"] for side in ("ragtime", other))
    pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
    same = sum(a["text"] == b["text"] for a, b in pairs)
    alike = sum(a["text"][:24] == b["text"][:24] for a, b in pairs)
    median = [statistics.median(pair[i]["first"] for pair in pairs) for i in (0, 1)]
    p95 = [sorted(pair[i]["first"] for pair in pairs)[int(len(pairs) * 0.95)] for i in (0, 1)]
    speed = summary(results["ragtime"])["speed"] / summary(results[other])["speed"]
    line = (
        f"  {name}, {users} users{'' if other == 'llama-server' else ', beside ' + other}: "
        f"TTFT p50 {median[1] / median[0]:.2f}x, p95 {p95[1] / p95[0]:.2f}x sooner, "
        f"{speed:.2f}x the tokens/s; {same} of {len(pairs)} answers equal, {alike} in their first 24 letters"
    )
    if all("prompt" in answer for pair in pairs for answer in pair):
        prompts = [statistics.mean(pair[i]["prompt"] for pair in pairs) for i in (0, 1)]
        line += f"; {prompts[0]:.0f} and {prompts[1]:.0f} tokens a prompt"
    return line


def targets(name, users, results):
    """(what is aimed at, what was measured, its bound), each in times, more being better."""
    got = {side: summary(result) for side, result in results.items()}
    ours, theirs = got["ragtime"], got.get("llama-server")
    firsts = {side: [answer["first"] for answer in each["answers"]] for side, each in got.items()}
    if name == "same" and len(firsts["ragtime"]) > 1:
        yield "the same question again, beside full prefill", firsts["ragtime"][0] / statistics.median(
            firsts["ragtime"][1:]
        ), 50
    if name == "restart" and len(firsts["ragtime"]) == 2:
        yield "first token after a restart, beside cold", firsts["ragtime"][0] / firsts["ragtime"][1], 4
        if len(firsts.get("llama-server", [])) == 2:
            yield "and beside llama-server's saved slot", firsts["llama-server"][1] / firsts["ragtime"][1], 2
    if theirs and name in ("zipf", "unique"):
        yield "TTFT p50 beside llama-server", theirs["p50"] / ours["p50"], 2 if name == "zipf" and users == 1 else 1
        if users > 1:
            yield "TTFT p95 beside llama-server", theirs["p95"] / ours["p95"], 2
            yield "tokens/s beside llama-server", ours["speed"] / theirs["speed"], 1.5 if name == "zipf" else 1
            yield "answers that did not fail, as a share", 1 - ours["failed"] / len(results["ragtime"]["answers"]), 1
    if "openvino" in got and name == "unique" and users == 1:
        yield "cold prefill beside OpenVINO's (long-term aim)", got["openvino"]["p50"] / ours["p50"], 1


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
    heads += ["from passages", "heading"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    lines, verdicts = [], []
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
                print(row(arguments.build, name, side, users, results[side], prompts), flush=True)
                if name in ("same", "restart"):
                    firsts = [answer["first"] for answer in results[side]["answers"]]
                    later = statistics.median(firsts[1:])
                    lines.append(f"  {name}, {side}: first {firsts[0]:.0f} ms, then {later:.1f} ms")
            if "ragtime" in results:
                lines += [compare(name, results, users, side) for side in results if side != "ragtime"]
                for what, measured, bound in targets(name, users, results):
                    verdict = "met" if measured >= bound else "open"
                    verdicts.append(f"  {name}, {users} users, {what}: {measured:.2f}x, target {bound}x: {verdict}")
    print("\n" + "\n".join(lines + [""] + verdicts))


if __name__ == "__main__":
    main()
