#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Indexes on disk where memory is short: DISKANN beside zvec's DiskANN and usearch's view(), under one limit.

    bench/vector_disk.py BUILD VENV VECTORS QUERIES WORK [--percent 15] [--sides a,b] [--ef 64,128,256]

VECTORS and QUERIES as for bench/vector.py; indexes are kept in WORK. Each side searches in a process of its own, in a
memory cgroup (version 1 or 2, so that it needs root) that may hold --percent of the vectors as float32, page cache
included, and that begins with nothing of the index in the page cache. The peers enter it when Python has loaded what
they need, which therefore does not count; ours counts as a whole. Searches come one by one, by the clock, since what
is waited for is the disk: the second round of all queries counts, when what is asked for often has been read (a
peer's round ends after 20 seconds, with the queries that it had). Recall is that of the 10 nearest, by score.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SIDES = ["ragtime", "zvec-diskann", "usearch-f32"]
OWN_BYTES = 12 << 20  # Of the process of ours, without an index.
ZVEC_MB = 101  # It takes no lower limit.
TOP = 10
QUERIES = 1000
ROUND_SECONDS = 20  # A round that takes longer ends early: some sides read the disk for each step.


class Limit:
    """A memory cgroup of its own. Use it in a `with`."""

    def __init__(self, limit):
        first = os.path.isdir("/sys/fs/cgroup/memory")
        self.folder = os.path.join("/sys/fs/cgroup", "memory" if first else "", f"vector_disk.{os.getpid()}")
        self.limit_name = "memory.limit_in_bytes" if first else "memory.max"
        self.peak_name = "memory.max_usage_in_bytes" if first else "memory.peak"
        self.limit = limit

    def __enter__(self):
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, self.limit_name), "w") as out:
            out.write(str(self.limit))
        return self

    def enter(self):
        with open(os.path.join(self.folder, "cgroup.procs"), "w") as out:
            out.write(str(os.getpid()))

    def peak(self):
        with open(os.path.join(self.folder, self.peak_name)) as value:
            return int(value.read())

    def __exit__(self, *_):
        for _ in range(50):
            try:
                return os.rmdir(self.folder)
            except OSError:  # The last process is still leaving.
                time.sleep(0.1)


def files_of(path):
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]


def forget(path):
    """Takes the files out of the page cache."""
    for name in files_of(path):
        with open(name, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peer_command(args, side, index, *more):
    here = os.path.dirname(os.path.abspath(__file__))
    return [os.path.join(args.venv, "bin", "python"), os.path.join(here, "vector_libraries.py"), side, args.vectors,
            args.queries, index, "--dimension", str(args.dimension), *more]


def make(args, side, index):
    if os.path.exists(index):
        return
    if side == "ragtime":
        command = [os.path.join(args.build, "bench", "disk_search"), "make", index + ".part", args.vectors,
                   args.queries, str(args.dimension), str(args.rows), "0"]
    else:
        command = peer_command(args, side, index, "--build-only")
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if side == "ragtime":
        os.rename(index + ".part", index)
    with open(index + ".build", "w") as out:
        out.write(json.dumps({"build_s": round(time.monotonic() - start, 1)}))


def search_ours(args, index, limit):
    memory = max(1, limit.limit - OWN_BYTES)
    command = [os.path.join(args.build, "bench", "disk_search"), "search", index, str(args.dimension), "1", args.ef]
    command += ["8", str(memory)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=limit.enter)
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    return found.returncode, [line for line in lines if line.get("round") == "second"]


def search_peer(args, side, index, limit):
    command = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__), args.build, args.venv, args.vectors,
               args.queries, args.work, "--dimension", str(args.dimension), "--ef", args.ef, "--percent",
               str(args.percent), "--child", side, "--index", index, "--cgroup", limit.folder]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if found.returncode not in (0, -9):
        print(found.stderr[-500:], file=sys.stderr)
    return found.returncode, [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]


def child(args):
    """In the peers' environment: the ids that each query finds, and how long it took."""
    import numpy as np
    from vector_libraries import MAKERS, load

    queries = load(args.queries, args.dimension)[:QUERIES]
    side = MAKERS[args.child]()
    if args.child.startswith("zvec"):
        side.zvec.init(log_level=side.zvec.LogLevel.ERROR, query_threads=1,
                       memory_limit_mb=max(ZVEC_MB, args.limit >> 20))
    with open(os.path.join(args.cgroup, "cgroup.procs"), "w") as out:
        out.write(str(os.getpid()))
    start = time.monotonic()
    side.open(args.index, args)
    opened = time.monotonic() - start
    for ef in map(int, args.ef.split(",")):
        for _ in ("first", "second"):
            times, found = [], []
            for query in queries:
                if sum(times) > ROUND_SECONDS:
                    break
                begin = time.monotonic()
                found.append(np.asarray(side.search(query[None], TOP, ef, 1))[0].tolist())
                times.append(time.monotonic() - begin)
        times.sort()
        line = {"search_list": ef, "qps": len(times) / sum(times), "p50_ms": statistics.median(times) * 1e3,
                "p99_ms": times[len(times) * 99 // 100] * 1e3, "open_ms": opened * 1e3, "found": found}
        print(json.dumps(line), flush=True)


def recalls(args):
    """In the peers' environment: the recall of each line of a side."""
    import numpy as np
    from vector_libraries import Truth, load

    vectors, queries = load(args.vectors, args.dimension, args.rows), load(args.queries, args.dimension)[:QUERIES]
    with open(args.index) as lines:
        for line in lines:
            found = np.array(json.loads(line)["found"])
            print(Truth(vectors, queries[: len(found)], [TOP], None).recall(found, TOP))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("build", "venv", "vectors", "queries", "work"):
        parser.add_argument(name)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--percent", type=float, default=15)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--ef", default="64,128,256")
    for hidden in ("--child", "--index", "--cgroup"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = os.path.getsize(args.vectors)
    args.rows = size // (4 * args.dimension)
    args.limit = round(size * args.percent / 100)
    if args.child:
        return recalls(args) if args.child == "recalls" else child(args)
    os.makedirs(args.work, exist_ok=True)
    print(f"{os.path.basename(args.vectors)}, {args.rows} rows, {args.dimension} dimensions, top {TOP}, "
          f"{args.limit / 1e6:.1f} MB of memory, {args.percent:g} % of the vectors")
    print("  side            search list   recall      qps   median ms   99 % ms   most MB   MB on disk   build s")
    failed = []
    for side in args.sides.split(","):
        index = os.path.join(args.work, side if side == "ragtime" else side + ".index")
        make(args, side, index)
        forget(index)
        with Limit(args.limit) as limit:
            if side == "ragtime":
                code, lines = search_ours(args, index, limit)
            else:
                code, lines = search_peer(args, side, index, limit)
            peak = limit.peak()
        if code != 0:
            failed.append(f"{side} {'was killed at the limit' if code == -9 else f'failed with {code}'}")
        if side != "ragtime" and lines:
            found = os.path.join(args.work, f"{side}.found")
            with open(found, "w") as out:
                out.writelines(json.dumps(line) + "\n" for line in lines)
            command = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__), args.build, args.venv,
                       args.vectors, args.queries, args.work, "--dimension", str(args.dimension), "--child", "recalls",
                       "--index", found]
            values = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
            for line, value in zip(lines, values):
                line["recall"] = float(value)
        on_disk = sum(map(os.path.getsize, files_of(index)))
        build = ""
        if os.path.exists(index + ".build"):
            with open(index + ".build") as text:
                build = f"{json.loads(text.read().splitlines()[0])['build_s']:.0f}"
        for line in lines:
            print(f"  {side:15s} {line['search_list']:11d} {line['recall']:8.4f} {line['qps']:8.0f} "
                  f"{line['p50_ms']:11.2f} {line['p99_ms']:9.2f} {peak / 1e6:9.1f} {on_disk / 1e6:12.1f} {build:>9s}",
                  flush=True)
    for reason in failed:
        print(reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
