# SPDX-License-Identifier: Apache-2.0
"""A Chroma or a Milvus Lite that a bench starts on a folder and a free port of 127.0.0.1, and stops."""

import pathlib
import socket
import subprocess
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Use it in a `with`. PROGRAMS is the folder of `chroma` and `milvus-lite`."""

    def __init__(self, kind, programs, folder):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        on = ["--host", "127.0.0.1", "--port", str(self.port)]
        name, *rest = {
            "chroma": ["chroma", "run", "--path", str(folder), *on],
            "milvus": ["milvus-lite", "server", "--data-dir", str(folder), *on],
        }[kind]
        self.command = [str(pathlib.Path(programs) / name), *rest]

    def __enter__(self):
        started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while time.monotonic() < started + 90:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    self.start_ms = (time.monotonic() - started) * 1000
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.__exit__()
        raise RuntimeError(f"{self.command[0]} does not start")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
