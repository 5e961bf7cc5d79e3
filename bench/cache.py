#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the caches cost and save: makes a knowledge base and runs bench/cache_bench on it, which starts its servers.

usage: bench/cache.py BUILD_FOLDER MODELS_FOLDER [--nodes 20000] [--questions 1000]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from start import machine


def version(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--nodes", type=int, default=20000)
    parser.add_argument("--questions", type=int, default=1000)
    arguments = parser.parse_args()
    programs = arguments.build / "bench"
    print(f"machine: {machine()}; {version('redis-server', '--version')}; {version('memcached', '-V')}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kb = pathlib.Path(folder) / "kb"
        model = arguments.models / "multilingual-e5-small"
        subprocess.run([programs / "make_kb", kb, str(arguments.nodes), model], check=True)
        print(f"{arguments.nodes} nodes", flush=True)
        command = [programs / "cache_bench", kb, arguments.models, str(arguments.questions)]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
