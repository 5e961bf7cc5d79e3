# SPDX-License-Identifier: Apache-2.0
"""Goal: what the documentation tells its readers to type does what it says. Every line of every shell block is run in
the order of its page, as a reader would who has the files that the page speaks of; every YAML block is a configuration.

Run by ctest: docs_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from command_line import BINARY, DOCUMENTS, SOURCE, run, variables

PAGES = sorted([SOURCE / "README.md", SOURCE / "README.zh.md", *(SOURCE / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
LINE = re.compile(r"(?:.*\\\n)*.*\n")  # With those that it goes on in.

# Lines that are run elsewhere (the set-up, by tools/test.sh) or need what no test machine has (a GPU, its models).
NOT_RUN = re.compile(r"tools/|bench/|build/cuda/")
# What fails on a machine without the server or the GPU that the page speaks of, and what the error says then.
FAILS = {
    r"import --from chroma:": "127.0.0.1",
    r"import --from milvus:": "no collection my_docs",
    r"copy .*--to ragtime.yaml": "127.0.0.1",
    r"bench serve --url": "127.0.0.1",
    r"tune --recall": "is exact",  # Eight files make no graph.
}
# What would be measured longer than a test has time for.
SHORTER = {
    "models compare": {"--tokens": 512},
    "bench serve": {"--requests": 2, "--max-tokens": 4, "--concurrency": 2},
}


def blocks(page, *languages):
    return [match for match in BLOCK.finditer(page.read_text()) if match.group(1) in languages]


def shortened(line):
    for command, options in SHORTER.items():
        if f"ragtime {command} " in line:
            for option, value in options.items():
                line = re.sub(rf" {option} \S+", "", line) + f" {option} {value}"
    return line


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_docs_"))
        cls.model = pathlib.Path(os.environ["RAGTIME_MODELS"]) / "smollm2-135m-instruct" / "model.gguf"
        with open(cls.model, "rb") as file:
            cls.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        # Nobody listens there as long as this is not closed.
        cls.deaf = socket.socket()
        cls.deaf.bind(("127.0.0.1", 0))
        cls.nowhere = f"127.0.0.1:{cls.deaf.getsockname()[1]}"

    @classmethod
    def tearDownClass(cls):
        cls.deaf.close()
        shutil.rmtree(cls.folder)

    def home_of_a_reader(self):
        """The files that the pages speak of, under the names that they give them."""
        home = pathlib.Path(tempfile.mkdtemp(prefix="home_", dir=self.folder))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        (home / "build/release").mkdir(parents=True)
        (home / "bin").mkdir()
        for link in (home / "build/release/ragtime", home / "bin/ragtime"):
            link.symlink_to(BINARY)
        shutil.copytree(DOCUMENTS, home / "notes")
        (home / "docs").symlink_to(home / "notes")
        for name in ("backup.md", "manual/backup.md", "手册/备份.md"):
            (home / "notes" / name).parent.mkdir(exist_ok=True)
            (home / "notes" / name).write_text("# 备份 Backup\n\nStop the server, then restore the backup.\n")
        (home / "notes/report.html").write_text("<h1>Report</h1><p>The backup of 2019 was repaired.</p>")
        (home / "questions.txt").write_text("How do I restore a backup?\n怎样恢复备份？\n")
        (home / "qwen3-8b-bf16.gguf").symlink_to(self.model)
        shutil.copytree(SOURCE / "tests/golden/llamaindex/storage", home / "storage")
        stores = SOURCE / "tests/golden/lazyllm/stores"
        shutil.copyfile(stores / "milvus.db", home / "milvus.db")
        (home / "store_conf.json").write_text(f'{{"type": "map", "kwargs": {{"uri": "{stores}/map.db"}}}}')
        self.assertEqual(run("ingest", home / "notes", "--kb", home / "kb").returncode, 0)
        return home

    def standing_in(self, text):
        """The text with addresses where nobody listens, and the digest of the model that is there."""
        text = re.sub(r"[\w.]+\.example(:\d+)?|127\.0\.0\.1:8000", self.nowhere, text)
        return text.replace("4f2c...", self.sha256)

    def settings(self, home):
        path = f"{home / 'bin'}:{os.environ['PATH']}"
        models = {"RAGTIME_MODELS": str(home / "models"), "RAGTIME_CACHE": str(home / "cache")}
        return variables({"HOME": str(home), "PATH": path, "RAGTIME_SERVER_PORT": "0", **models})

    def shell(self, home, line):
        command = ["bash", "-c", line]
        return subprocess.run(
            command, cwd=home, env=self.settings(home), capture_output=True, text=True, timeout=300
        )

    def serve(self, home, line):
        """Starts the server of the line; gives its port."""
        command = ["bash", "-c", "exec " + line]
        server = subprocess.Popen(command, cwd=home, env=self.settings(home), stderr=subprocess.PIPE, text=True)

        def stop():
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
            self.assertEqual(server.returncode, 0, line)

        self.addCleanup(stop)
        for said in server.stderr:
            if port := re.search(r"http://127.0.0.1:(\d+)/v1", said):
                return port.group(1)
        self.fail(line)

    def read(self, page):
        """Does what the page says, from top to bottom."""
        home = self.home_of_a_reader()
        port = None
        for block in blocks(page, "sh", "yaml"):
            if block.group(1) == "yaml":
                (home / "ragtime.yaml").write_text(self.standing_in(block.group(2)))
                continue
            for line in LINE.findall(block.group(2)):
                if NOT_RUN.match(line):
                    continue
                line = self.standing_in(line.replace("127.0.0.1:8321", f"127.0.0.1:{port}"))
                line = shortened(re.sub(r"\s+# .*", "", line).rstrip())
                if re.search(r"ragtime serve", line):
                    port = self.serve(home, line)
                    continue
                result = self.shell(home, line)
                said = f"{page}: {line}\n{result.stdout}{result.stderr}"
                needles = [needle for what, needle in FAILS.items() if re.search(what, line)]
                self.assertEqual(result.returncode, 1 if needles else 0, said)
                for needle in needles:
                    self.assertIn(needle, result.stderr, said)
                    self.assertIn("remedy:", result.stderr, said)

    def test_every_shell_line(self):
        for page in PAGES:
            if any(not NOT_RUN.match(block.group(2)) for block in blocks(page, "sh")):
                with self.subTest(page=page.name):
                    self.read(page)

    def test_every_yaml_block_is_a_configuration(self):
        home = self.home_of_a_reader()
        for page in PAGES:
            for block in blocks(page, "yaml"):
                with self.subTest(page=page.name, block=block.group(2)):
                    config = home / "ragtime.yaml"
                    config.write_text(self.standing_in(block.group(2)))
                    # A store that is not there is exit code 1; 2 is a configuration that cannot be read.
                    result = run("stats", "--config", config)
                    self.assertIn(result.returncode, (0, 1), result.stderr)

    def test_blocks_of_commands_are_marked_as_such(self):
        for page in PAGES:
            for block in blocks(page, ""):
                self.assertNotRegex(block.group(2), r"(?m)^(\S*/)?(ragtime|curl) ", page)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
