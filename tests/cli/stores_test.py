#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One line of store_conf changes the store, and the same questions find the same passages in all of them.

usage: stores_test.py RAGTIME SOURCE_FOLDER SERVERS, with SERVERS as tools/setup.sh --dev makes it. Chroma and Milvus
Lite run for the test on ports of their own and end with it.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from command_line import free_port

RAGTIME, SOURCE, SERVERS = sys.argv[1:4]
QUESTIONS = ["How long may I keep an e-book?", "借书证遗失了怎么办？", "opening hours", "自习室预约"]


def wait_for(port, server):
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{server.args[0]} does not start")


class Stores(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.environment = os.environ | {"XDG_CACHE_HOME": cls.folder.name}
        ports = {"chroma": free_port(), "milvus": free_port()}
        commands = {
            "chroma": ["chroma", "run", "--path", "chroma", "--host", "127.0.0.1", "--port"],
            "milvus": ["milvus-lite", "server", "--data-dir", "milvus", "--host", "127.0.0.1", "--port"],
        }
        cls.servers = []
        cls.uris = {"ragtime": "kb", "map": "kb.ragmap"}
        for kind, port in ports.items():
            program, *rest = commands[kind]
            command = [f"{SERVERS}/bin/{program}", *rest, str(port)]
            with open(pathlib.Path(cls.folder.name) / f"{kind}.log", "w") as log:
                cls.servers.append(subprocess.Popen(command, cwd=cls.folder.name, stdout=log, stderr=log))
            cls.uris[kind] = f"http://127.0.0.1:{port}"
        for server, port in zip(cls.servers, ports.values()):
            wait_for(port, server)

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.kill()
            server.wait()
        cls.folder.cleanup()

    def run_ragtime(self, kind, *arguments):
        done = subprocess.run(
            [RAGTIME, *arguments, "--config", str(self.config(kind))],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder.name,
            timeout=240,
        )
        self.assertEqual(done.returncode, 0, f"{kind}: {done.stdout} {done.stderr}")
        return done.stdout

    def config(self, kind):
        path = pathlib.Path(self.folder.name) / f"{kind}.yaml"
        path.write_text(
            f"store_conf: {{type: {kind}, kwargs: {{uri: {self.uris[kind]}, index_kwargs: {{index_type: FLAT}}}}}}\n"
        )
        return path

    def examined(self, kind, *arguments, **variables):
        """What `ragtime doctor` finds of the store and of the knowledge base on it."""
        done = subprocess.run(
            [RAGTIME, "doctor", "--json", "--config", str(self.config(kind)), *arguments],
            capture_output=True,
            text=True,
            env=self.environment | variables,
            cwd=self.folder.name,
            timeout=240,
        )
        findings = json.loads(done.stdout)["findings"]
        return [finding for finding in findings if finding["area"] in ("store", "knowledge base")]

    def test_the_doctor_tells_what_is_missing(self):
        for kind in ("chroma", "milvus"):
            store, base = self.examined(kind, RAGTIME_STORE_NAME="not_made")
            self.assertEqual((store["health"], base["health"]), ("good", "limited"))
            self.assertEqual((base["name"], base["remedy"]), ("not_made", "ragtime ingest makes it"))
            # Asking made nothing.
            self.assertEqual(self.examined(kind, RAGTIME_STORE_NAME="not_made")[1]["health"], "limited")
            (store,) = self.examined(kind, "--kb", f"http://127.0.0.1:{free_port()}")
            self.assertEqual((store["area"], store["health"]), ("store", "missing"))
            self.assertIn("http://127.0.0.1:", store["detail"])
            self.assertTrue(store["remedy"])

    def test_the_same_passages_in_every_store(self):
        found = {}
        for kind in self.uris:
            self.run_ragtime(kind, "ingest", f"{SOURCE}/examples/documents")
            output = self.run_ragtime(kind, "ingest", f"{SOURCE}/examples/documents", "--json")
            again = json.loads(output.splitlines()[-1])
            self.assertEqual(again["files_added"] + again["files_changed"], 0, f"{kind} reads everything again")
            for question in QUESTIONS:
                for route in ("vector", "keyword", "hybrid"):
                    output = self.run_ragtime(kind, "search", question, "--route", route, "--top-k", "3", "--json")
                    hits = json.loads(output)["hits"]
                    passages = [(hit["file"], hit["byte_start"]) for hit in hits]
                    scores = [hit["score"] for hit in hits]
                    first = found.setdefault((question, route), (passages, scores))
                    self.assertTrue(passages or route == "keyword", f"{kind}, {route}: {question}")
                    # Passages that tie may change places.
                    if all(a != b for a, b in zip(scores, scores[1:])):
                        self.assertEqual(passages, first[0], f"{kind}, {route}: {question}")
        answer = json.loads(self.run_ragtime("milvus", "ask", QUESTIONS[0], "--json"))
        self.assertIn("21 days", answer["answer"])
        for kind in ("chroma", "milvus"):
            store, base = self.examined(kind)
            self.assertEqual((store["health"], base["health"]), ("good", "good"))
            self.assertTrue(store["name"].startswith(f"{kind} http://127.0.0.1:"), store)
            self.assertRegex(store["detail"], r"^version \S*\d+\.\d+\S*, answers in \d+\.\d ms$")
            self.assertRegex(base["detail"], r"^\d+ nodes of \d+ files$")
        table = json.loads(self.run_ragtime("chroma", "files", "--json"))
        self.assertEqual(len([file for file in table["files"] if not file["is_dir"]]), 8)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
