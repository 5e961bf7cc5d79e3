#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ragtime on its four stores: the same generated nodes in a map, embedded, on a Chroma and on a Milvus Lite.

usage: bench/stores.py STAGE RESULTS --build BUILD_FOLDER --work FOLDER [--servers RAGTIME_SERVERS]
STAGE is one of
  insert   all nodes into an empty store; at most --limit-s are spent, and the next call goes on where one ended
  search   a fresh process to its first hit, then searches with and without a filter, recall@10 beside each
  report   prints the tables of everything that RESULTS/stores.jsonl holds
  all      insert, search and report
Each store is used as `store_conf.type` alone makes it. Servers are started and stopped here, and their memory is that
of the server's processes after the stage. --sides and --sizes choose, so that a side can be measured alone.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

from start import machine
from store import Report, folder_size_bytes, load, spread
from store_peers import memory_kib
from vector_servers import Server

SIDES = ("map", "ragtime", "chroma", "milvus")
ON_SERVERS = {"chroma": "chromadb", "milvus": "milvus_lite"}  # The distribution whose version is stated.
ROWS_AT_ONCE = 10000  # Of one process that writes to a server, so that a slow one can be gone on with.


def version_of(servers, side):
    """Of the server's distribution, without running its Python."""
    name = ON_SERVERS[side]
    found = sorted(pathlib.Path(servers).glob(f"lib/python*/site-packages/{name}-*.dist-info"))
    return found[-1].name.removesuffix(".dist-info").replace("_", "-") if found else f"{name} of unknown version"


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        arguments.results.mkdir(parents=True, exist_ok=True)
        arguments.work.mkdir(parents=True, exist_ok=True)
        self.results = arguments.results / "stores.jsonl"
        self.data = arguments.work / "data"
        self.where = machine()
        self.end = time.monotonic() + arguments.limit_s

    def record(self, stage, side, size, result):
        line = {"stage": stage, "side": side, "size": size, "machine": self.where}
        if side in ON_SERVERS:
            line["versions"] = version_of(self.arguments.servers, side)
        with open(self.results, "a") as file:
            file.write(json.dumps(line | result) + "\n")
        shown = {key: value for key, value in result.items() if not isinstance(value, list)}
        print(f"{stage} {side} {size}: {json.dumps(shown)}", flush=True)

    def folder(self, side, size):
        return self.arguments.work / f"{side}-{size}"

    def server(self, side, size):
        if side not in ON_SERVERS:
            return nullcontext()
        return Server(side, pathlib.Path(self.arguments.servers) / "bin", self.folder(side, size) / "server")

    def run(self, verb, side, size, server, *rest):
        folder = self.folder(side, size)
        uri = server.uri if server else folder / ("nodes.ragmap" if side == "map" else "kb")
        command = [self.arguments.build / "bench" / "stores_bench", verb, side, uri, folder / "state", self.data, *rest]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{verb} {side} {size}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def memory(self, server):
        if not server:
            return {}
        return {"server_mib": round(sum(memory_kib(server.process.pid).values()) / 1024, 1)}

    def insert(self, side, size):
        folder = self.folder(side, size)
        mark = folder / "rows"  # How many were committed.
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        first = int(mark.read_text()) if mark.exists() else 0
        step = ROWS_AT_ONCE if side in ON_SERVERS else size
        with self.server(side, size) as server:
            while first < size:
                if time.monotonic() > self.end:
                    print(f"insert {side} {size}: {first} rows so far, run it again", flush=True)
                    return
                end = min(first + step, size)
                result = self.run("insert", side, size, server, first, end)
                self.record("insert", side, size, result | {"first": first} | self.memory(server))
                mark.write_text(str(end))
                first = end
        self.record("disk", side, size, {"disk_bytes": folder_size_bytes(folder)})

    def search(self, side, size):
        mark = self.folder(side, size) / "rows"
        if not mark.exists() or int(mark.read_text()) < size:
            print(f"search {side} {size}: its nodes are not all inserted", flush=True)
            return
        for run in range(self.arguments.runs):
            with self.server(side, size) as server:
                queries = self.arguments.queries
                result = self.run("search", side, size, server, size, queries, time.monotonic_ns())
                started = {"server_start_ms": round(server.start_ms, 1)} if server else {}
                self.record("search", side, size, {"run": run} | started | result | self.memory(server))


def report(lines):
    print(f"machine: {'; '.join(dict.fromkeys(line['machine'] for line in lines))}")
    versions = dict.fromkeys(line["versions"] for line in lines if "versions" in line)
    print(f"servers: {', '.join(versions) or 'none'}")
    print("values: median [least to most] of the runs; p50 and p99 of each run's searches")
    table = Report(lines)
    for size in sorted({line["size"] for line in lines}):
        writes, reads = [], []
        for side in SIDES:
            inserts = [r for r in lines if (r["stage"], r["side"], r["size"]) == ("insert", side, size)]
            if sum(r["rows"] for r in inserts) == size:
                commits, settles = (sum(r[key] for r in inserts) / 1000 for key in ("insert_ms", "settle_ms"))
                server = f"{inserts[-1]['server_mib']:.0f}" if "server_mib" in inserts[-1] else ""
                disk = table.of("disk", side, size, "disk_bytes")
                writes.append(
                    [side, f"{size / commits:.0f}", f"{size / (commits + settles):.0f}"]
                    + [f"{max(r['anonymous_mib'] for r in inserts):.0f}", server]
                    + [f"{disk[-1] / size:.0f}" if disk else ""]
                )
            runs = [r for r in lines if (r["stage"], r["side"], r["size"]) == ("search", side, size)]
            if not runs:
                continue
            at = lambda key, share: [sorted(r[key])[int(len(r[key]) * share)] for r in runs]  # noqa: E731
            starts = [r["server_start_ms"] for r in runs if "server_start_ms" in r]
            reads.append(
                [side, str(len(runs)), spread([r["first_hit_ms"] for r in runs])]
                + [f"{statistics.median(starts):.0f}" if starts else ""]
                + [spread(at("search_ms", 0.5), "{:.3f}"), spread(at("search_ms", 0.99), "{:.3f}")]
                + [f"{min(r['search_recall'] for r in runs):.3f}"]
                + [spread(at("filtered_ms", 0.5), "{:.3f}"), f"{min(r['filtered_recall'] for r in runs):.3f}"]
                + [f"{statistics.median(r['resident_mib'] for r in runs):.0f}"]
                + [f"{statistics.median(r['server_mib'] for r in runs):.0f}" if starts else ""]
            )
        head = ["store", "inserted", "... and settled", "anonymous MiB of Ragtime", "MiB of the server"]
        head.append("bytes on disk a node")
        table.table(f"Insert, {size} nodes; rows/s", head, writes)
        head = ["store", "runs", "open to first hit", "server's start", "search p50", "search p99", "recall@10"]
        head += ["10 % match: p50", "recall@10", "MiB of Ragtime", "MiB of the server"]
        table.table(f"Restart and search, top 10, {size} nodes; ms", head, reads)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["insert", "search", "report", "all"])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--servers", type=pathlib.Path, default=os.environ.get("RAGTIME_SERVERS"))
    parser.add_argument("--sizes", default="20000,100000")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--limit-s", type=float, default=3600, help="of inserting; then the next call goes on")
    parser.add_argument("--fresh", action="store_true", help="remove the results and FOLDER first")
    arguments = parser.parse_args()
    if arguments.stage == "report":
        report(load(arguments.results / "stores.jsonl"))
        return
    if not arguments.build or not arguments.work or not arguments.servers:
        parser.error("--build, --work and --servers (or RAGTIME_SERVERS) are needed")
    if arguments.fresh:
        shutil.rmtree(arguments.results, ignore_errors=True)
        shutil.rmtree(arguments.work, ignore_errors=True)
    bench = Bench(arguments)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    generate = arguments.build / "bench" / "store_generate"
    subprocess.run([generate, "make", bench.data, str(max(sizes))], check=True)
    for stage in ["insert", "search"] if arguments.stage == "all" else [arguments.stage]:
        for size in sizes:
            for side in arguments.sides.split(","):
                getattr(bench, stage)(side, size)
    if arguments.stage == "all":
        report(load(bench.results))


if __name__ == "__main__":
    main()
