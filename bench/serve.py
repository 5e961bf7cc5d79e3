#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How soon and how fast `ragtime serve` answers 1, 2, 4, 8 users at once, with saved states of prompts and without.

usage: bench/serve.py BINARY DOCUMENTS [--concurrency 1,2,4,8] [--requests 24] [--max-tokens 24] [--model NAME]
Questions are drawn by Zipf's law (exponent 1, seed 1) from a list about DOCUMENTS (--questions FILE, one a line; the
default fits examples/documents), the same draw for every row. Each row has a fresh server and a fresh knowledge base.
Times are those of the client, the search included.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time

import start

QUESTIONS = [
    "How much does a replacement for a lost card cost?",
    "Can I cut PVC with the laser?",
    "How long can I keep a book?",
    "When do the study rooms close on Saturday?",
    "How many electronic books can I borrow?",
    "What does cutting with the laser cost?",
    "Who may use the makerspace?",
    "How do I book a study room?",
    "What happens when I return a book late?",
    "How do I extend a loan?",
]


def ask(port, question, tokens):
    """Milliseconds to the first piece and to the end, and what the server counted."""
    body = {
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(response.read().decode())
    first, usage = None, None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if first is None and event["choices"] and event["choices"][0]["delta"].get("content"):
            first = time.perf_counter() - began
        usage = event.get("usage", usage)
    total = time.perf_counter() - began
    connection.close()
    return {"first": first * 1000, "total": total * 1000, "usage": usage}


def row(arguments, kb, questions, users, keeps):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_bench_"))
    shutil.copytree(kb, folder / "kb", ignore=shutil.ignore_patterns("kv"))
    # Whole answers are not kept: it is the model that is measured.
    variables = {**os.environ, "RAGTIME_LLM_MODEL": arguments.model, "RAGTIME_CACHE_TYPE": "none"}
    if not keeps:
        variables.update(RAGTIME_LLM_KV_MEMORY_BYTES="0", RAGTIME_LLM_KV_DISK_BYTES="0")
    server = subprocess.Popen(
        [arguments.binary, "serve", "--kb", folder / "kb", "--port", "0", "--json", "--mode", "generate"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=variables,
    )
    try:
        port = json.loads(server.stdout.readline())["port"]
        ask(port, "Is the model loaded?", 1)
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(users) as pool:
            answers = list(pool.map(lambda question: ask(port, question, arguments.max_tokens), questions))
        seconds = time.perf_counter() - began
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)
    firsts = sorted(answer["first"] for answer in answers)
    written = sum(answer["usage"]["completion_tokens"] for answer in answers)
    prompts = sum(answer["usage"]["prompt_tokens"] for answer in answers)
    cached = sum(answer["usage"]["prompt_tokens_details"]["cached_tokens"] for answer in answers)
    per_token = [
        (answer["total"] - answer["first"]) / (answer["usage"]["completion_tokens"] - 1)
        for answer in answers
        if answer["usage"]["completion_tokens"] > 1
    ]
    return (
        f"| {users} | {'kept' if keeps else 'not kept'} | {statistics.median(firsts):.0f} | "
        f"{firsts[min(len(firsts) - 1, int(len(firsts) * 0.95))]:.0f} | {statistics.median(per_token):.0f} | "
        f"{written / seconds:.1f} | {len(answers) / seconds:.2f} | {100 * cached / prompts:.0f} % |"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("documents")
    parser.add_argument("--concurrency", default="1,2,4,8")
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--questions", type=pathlib.Path)
    arguments = parser.parse_args()
    questions = arguments.questions.read_text().splitlines() if arguments.questions else QUESTIONS
    weights = [1 / (rank + 1) for rank in range(len(questions))]
    draw = random.Random(1).choices(questions, weights, k=arguments.requests)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_bench_"))
    try:
        subprocess.run(
            [arguments.binary, "ingest", arguments.documents, "--kb", folder / "kb"], check=True, capture_output=True
        )
        print(f"{start.machine()}; {arguments.model}, {arguments.requests} requests, {len(set(draw))} questions\n")
        heads = ["users", "states", "TTFT p50 ms", "TTFT p95 ms", "TPOT p50 ms", "tokens/s", "requests/s", "cached"]
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
        for users in map(int, arguments.concurrency.split(",")):
            for keeps in (False, True):
                print(row(arguments, folder / "kb", draw, users, keeps), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
