# SPDX-License-Identifier: Apache-2.0
"""The sides of bench/generate.py: servers and processes that are asked many questions, and what each answer took."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
LLM = "smollm2-135m-instruct"


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

    def run(self, questions, users, max_tokens):
        return ask_all(self, questions, users, max_tokens)


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
                *("-m", arguments.models / LLM / "model.gguf", "--port", str(self.port)),
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

    def run(self, questions, users, max_tokens):
        return ask_all(self, questions, users, max_tokens)


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
        delta = event["choices"][0]["delta"] if event.get("choices") else {}
        piece = delta.get("content") or delta.get("reasoning_content")  # As `ragtime bench serve` counts.
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


class Process:
    """bench/generate_peers.py in the environment of a peer."""

    def __init__(self, arguments, environment_name, *command):
        python = arguments.peers / environment_name / "bin/python"
        if not python.exists():
            raise RuntimeError(f"there is no {python}: run bench/generate_peers.sh")
        log = open(arguments.work / f"{command[0]}.log", "w")
        self.log = log.name
        self.process = subprocess.Popen(
            [python, HERE / "generate_peers.py", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended: see {self.log}")
        return line

    def run(self, questions, users, max_tokens):
        job = {"questions": questions, "users": users, "max_tokens": max_tokens}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class OpenVino(Process):
    """OpenVINO GenAI in process, which reads the very GGUF file, sent the messages that llama-server is sent."""

    def __init__(self, arguments):
        model = arguments.models / LLM / "model.gguf"
        super().__init__(arguments, "genai", "openvino", model, arguments.work / "prompts.json")


class LlamaIndex(Process):
    """LlamaIndex's own index over the nodes of the knowledge base, before a llama-server of its own."""

    def __init__(self, arguments, users, prompts):
        files = embedded(arguments, prompts)
        self.server = LlamaServer(arguments, users, prompts)
        try:
            super().__init__(arguments, "llamaindex", "llama-index", self.server.port, *files)
        except RuntimeError:
            self.server.stop()
            raise

    def stop(self):
        super().stop()
        self.server.stop()


def embedded(arguments, prompts):
    """Files of the nodes, their vectors, the questions and theirs, by the knowledge base's own model; made once."""
    nodes = subprocess.run(
        [arguments.build / "bench/dump_texts", arguments.work / "kb"], check=True, capture_output=True, text=True
    ).stdout
    files = []
    for name, texts, kind in (("nodes", nodes, []), ("questions", json.dumps(list(prompts)), ["query"])):
        file, vectors = (arguments.work / f"llama-index-{name}.{end}" for end in ("json", "f32"))
        if not file.exists() or file.read_text() != texts:
            lines = arguments.work / f"llama-index-{name}.txt"
            # The tokenizer takes a line's end for a space too.
            lines.write_text("".join(" ".join(text.split()) + "\n" for text in json.loads(texts)))
            vectors.unlink(missing_ok=True)
            model = arguments.models / "multilingual-e5-small"
            command = [arguments.build / "bench/embed_texts", model, lines, vectors, str(10**9), *kind]
            subprocess.run(command, check=True, capture_output=True)
            file.write_text(texts)
        files += [file, vectors]
    return files
