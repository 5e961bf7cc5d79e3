# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: the binary, run without the settings of the caller; its JSON, held to the
schemas; and a knowledge base of examples/documents.

A program that imports it has BINARY and SOURCE_DIR as its first two arguments.
"""

import html.parser
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import schema_check

BINARY = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()
DOCUMENTS = SOURCE / "examples" / "documents"


def variables(more=None):
    """Those of the caller without its settings, and some more."""
    kept = ("RAGTIME_MODELS", "RAGTIME_CACHE")
    return {**{k: v for k, v in os.environ.items() if not k.startswith("RAGTIME_") or k in kept}, **(more or {})}


def run(*arguments, timeout=300, environment=None, **more):
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=variables(environment),
        **more,
    )


def held(value, name):
    """The value, held to the schema of that name."""
    schema_check.check(value, json.loads((SOURCE / "docs/reference/json" / f"{name}.schema.json").read_text()))
    return value


def checked(result, name):
    """The JSON object on stdout, held to its schema."""
    assert result.stdout, result.stderr
    return held(json.loads(result.stdout), name)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_server(test, handler, **state):
    """An HTTP server of this process until the test ends; `handler` finds the state as attributes of `self.server`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    for name, value in state.items():
        setattr(server, name, value)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    test.addCleanup(stop)
    return server


class TextOfHtml(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts = []

    def handle_data(self, data):
        self.parts.append(data)


def words(text):
    return re.findall(r"\w+", text)


def text_at(file, start, end):
    """What a reader sees at a byte range of a source file, markup removed."""
    piece = file.read_bytes()[start:end].decode("utf-8")
    if file.suffix == ".html":
        parser = TextOfHtml()
        parser.feed(piece)
        parser.close()
        return " ".join(parser.parts)
    return piece


class CommandLine(unittest.TestCase):
    """Ingests the examples once for all tests of the class: `kb`, of `documents`, as `first` reports."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_cli_"))
        cls.documents = cls.folder / "documents"
        shutil.copytree(DOCUMENTS, cls.documents)
        cls.kb = cls.folder / "kb"
        cls.first = run("ingest", cls.documents, "--kb", cls.kb, "--json")
        assert cls.first.returncode == 0, cls.first.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def scratch(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="case_", dir=self.folder))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def copy_of_kb(self):
        kb = self.scratch() / "kb"
        shutil.copytree(self.kb, kb)
        return kb

    def assertFails(self, result, *needles, code=(1, 2)):
        self.assertIn(result.returncode, code, result.stdout + result.stderr)
        for needle in needles:
            self.assertIn(needle, result.stderr)
        self.assertIn("remedy:", result.stderr)
