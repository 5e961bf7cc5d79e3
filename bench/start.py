#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a fresh `ragtime search` process takes, by knowledge base size and route, and what the open itself costs.

usage: bench/start.py BUILD_FOLDER MODEL_FOLDER [--sizes 200,2000,20000] [--runs 21]
Runs are interleaved over the sizes, page cache warm; medians with the spread; targets beside them.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

QUESTION = "w17 w230 how is w1200 restored"


def machine():
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    cores = len([line for line in open("/proc/cpuinfo") if line.startswith("processor")])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent
    ).stdout.strip()
    return f"{cpu}, {cores} cores, commit {commit}"


def spread(values):
    return f"{statistics.median(values):7.1f} [{min(values):.1f} to {max(values):.1f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--sizes", default="200,2000,20000")
    parser.add_argument("--runs", type=int, default=21)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    binary = arguments.build / "ragtime"
    with tempfile.TemporaryDirectory() as folder:
        bases = {}
        for size in sizes:
            bases[size] = pathlib.Path(folder) / str(size)
            subprocess.run([arguments.build / "bench" / "make_kb", bases[size], str(size), arguments.model], check=True)

        def search(size, route):
            started = time.perf_counter()
            result = subprocess.run(
                [binary, "search", QUESTION, "--kb", bases[size], "--route", route, "--json"],
                capture_output=True,
                text=True,
                check=True,
            )
            elapsed = (time.perf_counter() - started) * 1000
            assert json.loads(result.stdout)["hits"], result.stdout
            return elapsed

        print(f"machine: {machine()}")
        print(
            f"{arguments.runs} fresh processes each, interleaved, page cache warm; milliseconds: median [least to most]"
        )
        failed = False
        for route, target in (("keyword", 30), ("vector", 100), ("hybrid", 100)):
            times = {size: [] for size in sizes}
            for run in range(arguments.runs + 2):
                for size in sizes:
                    elapsed = search(size, route)
                    if run >= 2:
                        times[size].append(elapsed)
            medians = {size: statistics.median(times[size]) for size in sizes}
            ratio = medians[sizes[-1]] / medians[sizes[0]]
            for size in sizes:
                print(f"  {route:8} {size:7} nodes {spread(times[size])}  target <= {target}")
            print(f"  {route:8} {sizes[-1]} / {sizes[0]} nodes: {ratio:.2f}x  target <= 1.20x")
            failed |= medians[sizes[-1]] > target or ratio > 1.2
        print("the open alone (bench/open, fresh process)")
        for size in sizes:
            runs = [
                json.loads(
                    subprocess.run(
                        [arguments.build / "bench" / "open", bases[size]], capture_output=True, text=True, check=True
                    ).stdout
                )
                for _ in range(arguments.runs)
            ]
            opened = statistics.median(run["open_us"] for run in runs)
            print(
                f"  {size:7} nodes {opened:6.0f} us, "
                f"{statistics.median(run['page_faults'] for run in runs):.0f} page faults, "
                f"{statistics.median(run['bytes_read'] for run in runs):.0f} bytes read  target < 1000 us"
            )
            failed |= opened >= 1000
    print("targets missed" if failed else "all targets met")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
