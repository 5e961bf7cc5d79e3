#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The embedded store beside other stores: the same generated nodes, one stage after the other, peers in between.

usage: bench/store.py STAGE RESULTS --build BUILD_FOLDER --model MODEL_FOLDER --work FOLDER [--peers VENVS]
STAGE is one of
  make       the stores of every side and size below FOLDER (kept for the other stages), and their bytes on disk
  restart    a fresh process to its first hit: start, imports, open and first hit apart
  inprocess  open and first hit within a fresh process, beside libraries that open in place
  bulk       insert of all nodes into an empty store
  write      insert of single nodes until they are found, deletion of 1 % and 10 %, calls of fsync for each insert
  filter     vector search with a filter at five selectivities
  report     prints the tables of everything that RESULTS/store.jsonl holds
  clean      removes FOLDER
  all        make to report, in that order
Each measured run is a line of JSON in RESULTS/store.jsonl. Runs of the sides alternate, the page cache is warm. VENVS
is what bench/store_peers.sh made; without it only Ragtime runs. A side whose first run takes longer than --slow-s is
run --slow-runs times instead of --runs, one that takes longer than --limit-s is stopped and said to be.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

from start import machine

HERE = pathlib.Path(__file__).resolve().parent
LAZY = ("lazyllm-map", "lazyllm-milvus")
SIDES = {
    "restart": ["ragtime", "ragtime-search", "llamaindex", "chroma", "milvus-lite", *LAZY],
    "inprocess": ["ragtime", "usearch", "lancedb", "lancedb-flat", "zvec", "zvec-flat", "ragtime-keyword", "tantivy"],
    "bulk": ["ragtime", "chroma", "milvus-lite", "lancedb-flat", "zvec-flat"],
    "write": ["ragtime", "chroma", "milvus-lite", "lancedb-flat", "zvec-flat", "llamaindex"],
    "filter": ["ragtime", "chroma", "milvus-lite", "milvus-lite-flat", "lancedb-flat", "zvec-flat"],
}
# Sides that read the store of another one.
STORE_OF = {"ragtime-search": "ragtime", "ragtime-keyword": "ragtime"}
# What a side keeps, where that is not everything.
HOLDS = {
    "ragtime": "vectors, texts, fields, postings",
    "usearch": "vectors",
    "tantivy": "texts, postings",
    "lazyllm-map": "only the documents",
    "lazyllm-milvus": "the documents, vectors, texts",
}
SELECTIVITIES = ["0.01%", "0.1%", "1%", "10%", "50%"]
SYNC_CALLS = ("fsync", "fdatasync", "msync", "syncfs", "sync_file_range")


class Failed(Exception):
    pass


def folder_size_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.results = arguments.results / "store.jsonl"
        arguments.results.mkdir(parents=True, exist_ok=True)
        self.data = arguments.work / "data"
        self.where = machine()
        self.broken = False  # Whether a run of Ragtime itself failed.
        home = arguments.work / "home"
        home.mkdir(parents=True, exist_ok=True)
        # Nothing is asked of the network, and what a peer keeps in its home is kept in ours.
        self.environment = os.environ | {
            "HOME": str(home),
            "ANONYMIZED_TELEMETRY": "False",
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(HERE),
            "RAGTIME_MODELS": str(arguments.model.resolve().parent),
        }

    def sides(self, stage):
        wanted = self.arguments.sides.split(",") if self.arguments.sides else SIDES[stage]
        sides = [side for side in SIDES[stage] if side in wanted]
        return [side for side in sides if side.startswith("ragtime") or self.arguments.peers]

    def record(self, stage, side, size, result):
        self.broken |= "failed" in result and side.startswith("ragtime")
        line = {"stage": stage, "side": side, "size": size, "machine": self.where}
        line["time"] = datetime.datetime.now().isoformat(timespec="seconds")
        with open(self.results, "a") as file:
            file.write(json.dumps(line | result) + "\n")
        shown = {key: value for key, value in result.items() if isinstance(value, (int, float, str))}
        print(f"{stage} {side} {size}: {json.dumps(shown)}", flush=True)

    def run(self, command, prefix=()):
        """The JSON that the command prints last."""
        try:
            done = subprocess.run(
                [*prefix, *(str(part) for part in command)],
                capture_output=True,
                text=True,
                errors="replace",
                env=self.environment,
                cwd=self.arguments.work,
                timeout=self.arguments.limit_s,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"not done after {self.arguments.limit_s} s") from error
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, command[:3]))}: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def program(self, name):
        return self.arguments.build / "bench" / name

    def store(self, side, size):
        return self.arguments.work / f"{STORE_OF.get(side, side)}-{size}"

    def peer(self, side, verb, folder, size, *rest):
        venv = "lazyllm" if side in LAZY else "stores"
        python = self.arguments.peers / venv / "bin" / "python"
        return [python, HERE / "store_peers.py", side, verb, folder, self.data, size, *rest]

    def make_command(self, side, folder, size):
        if side == "ragtime":
            return [self.program("store_make"), folder, self.data, size, self.arguments.model]
        return self.peer(side, "make", folder, size)

    def words(self, run):
        """A row's own word, a frequent one and a rare one of the same text."""
        offsets = (self.data / "texts.idx").read_bytes()[: 8 * 200]
        starts = [int.from_bytes(offsets[i : i + 8], "little") for i in range(0, len(offsets), 8)]
        with open(self.data / "texts.bin", "rb") as file:
            for row in range(run, len(starts) - 1):
                file.seek(starts[row])
                words = file.read(starts[row + 1] - starts[row]).decode().replace(".", "").split()
                if len(words) > 60:
                    return f"{words[0]} {words[7]} {words[11]}"
        raise Failed("no English text among the first rows")

    def first(self, side, size, run):
        folder, queries = self.store(side, size), self.data / "queries.f32"
        if side in ("ragtime", "ragtime-keyword"):
            words = [self.words(run)] if side == "ragtime-keyword" else []
            return self.run([self.program("store_open"), folder, queries, run, time.monotonic_ns(), *words])
        if side == "ragtime-search":
            started = time.monotonic_ns()
            options = ["--kb", folder, "--route", "keyword", "--json"]
            found = self.run([self.arguments.build / "ragtime", "search", self.words(run), *options])
            if not found["hits"]:
                raise Failed("ragtime search found nothing")
            return {"whole_ms": (time.monotonic_ns() - started) / 1e6}
        words = [self.words(run)] if side == "tantivy" else []
        return self.run(self.peer(side, "first", folder, size, run, time.monotonic_ns(), *words))

    def nearest(self, size):
        command = [self.program("store_generate"), "nearest", self.data, size, self.arguments.runs + 1]
        return self.run(command)

    def alternate(self, stage, size, action, warm_up):
        """action(side, run) for every side in turn, and again."""
        rounds = {side: self.arguments.runs for side in self.sides(stage)}
        for run in range(self.arguments.runs + warm_up):
            for side in [side for side, left in rounds.items() if left > 0]:
                started = time.monotonic()
                try:
                    result = action(side, run)
                except Failed as failure:
                    self.record(stage, side, size, {"failed": str(failure)})
                    rounds[side] = 0
                    continue
                slow = time.monotonic() - started > self.arguments.slow_s
                if run == 0 and slow:
                    rounds[side] = self.arguments.slow_runs
                if run >= warm_up or slow:
                    self.record(stage, side, size, {"run": run} | result)
                    rounds[side] -= 1

    def make(self, size):
        for side in dict.fromkeys(STORE_OF.get(side, side) for stage in SIDES for side in self.sides(stage)):
            folder = self.store(side, size)
            done = folder.with_suffix(".made")
            if done.exists():
                continue
            shutil.rmtree(folder, ignore_errors=True)
            try:
                result = self.run(self.make_command(side, folder, size))
                self.record("make", side, size, result | {"disk_bytes": folder_size_bytes(folder)})
                done.touch()
            except Failed as failure:
                self.record("make", side, size, {"failed": str(failure)})

    def made(self, side, size):
        if not self.store(side, size).with_suffix(".made").exists():
            raise Failed("its store was not made")

    def restart(self, size, stage="restart"):
        nearest = self.nearest(size)

        def action(side, run):
            self.made(side, size)
            result = self.first(side, size, run)
            hits = result.pop("hits", None)
            if hits is not None and side not in ("tantivy", "ragtime-keyword"):
                rows = {hit - 1 for hit in hits} if side == "ragtime" else set(hits)
                result["recall"] = len(rows & set(nearest[run])) / len(nearest[run])
            return result

        self.alternate(stage, size, action, warm_up=1)

    def inprocess(self, size):
        self.restart(size, "inprocess")

    def bulk(self, size):
        def action(side, run):
            folder = self.arguments.work / "bulk"
            shutil.rmtree(folder, ignore_errors=True)
            result = self.run(self.make_command(side, folder, size))
            shutil.rmtree(folder, ignore_errors=True)
            return result

        self.alternate("bulk", size, action, warm_up=0)

    def copy(self, side, size):
        copy = self.arguments.work / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.store(side, size), copy)
        # What was copied is written now and not by the first fsync that is measured.
        os.sync()
        return copy

    def singles(self, side):
        return 2 if side == "llamaindex" else self.arguments.singles

    def write(self, size):
        def action(side, run):
            self.made(side, size)
            copy = self.copy(side, size)
            if side == "ragtime":
                result = self.run([self.program("store_write"), copy, self.data, size, self.singles(side)])
            else:
                result = self.run(self.peer(side, "write", copy, size, self.singles(side)))
            shutil.rmtree(copy)
            return result

        self.alternate("write", size, action, warm_up=0)
        for side in self.sides("write") if shutil.which("strace") else []:
            try:
                self.made(side, size)
                self.record("syncs", side, size, {"syncs_each": self.syncs(side, size)})
            except Failed as failure:
                self.record("syncs", side, size, {"failed": str(failure)})

    def syncs(self, side, size):
        """Calls that wait for the disk while a node is inserted, on average."""
        count = min(20, self.singles(side))
        copy, trace = self.copy(side, size), self.arguments.work / "strace.txt"
        calls = ",".join((*SYNC_CALLS, "access", "?faccessat", "?faccessat2"))
        command = (
            [self.program("store_write"), copy, self.data, size, count, "mark"]
            if side == "ragtime"
            else self.peer(side, "singles", copy, size, count)
        )
        self.run(command, prefix=["strace", "-f", "-o", str(trace), "-e", f"trace={calls}"])
        inside, counted = False, 0
        for line in trace.read_text(errors="replace").splitlines():
            if "/bench-mark-" in line:
                inside = not inside
            elif inside and re.search(rf"\b({'|'.join(SYNC_CALLS)})\(", line):
                counted += 1
        shutil.rmtree(copy)
        return counted / count

    def filter(self, size):
        def action(side, run):
            self.made(side, size)
            folder, queries = self.store(side, size), self.arguments.queries
            if side == "ragtime":
                return self.run([self.program("store_filter"), folder, self.data, size, queries])
            return self.run(self.peer(side, "filter", folder, size, queries))

        self.alternate("filter", size, action, warm_up=0)


def load(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def spread(values, form="{:.1f}"):
    if not values:
        return "-"
    least, most = form.format(min(values)), form.format(max(values))
    return f"{form.format(statistics.median(values))} [{least} to {most}]"


class Report:
    def __init__(self, lines):
        self.lines = lines
        self.missed = []

    def of(self, stage, side, size, key):
        rows = [r for r in self.lines if (r["stage"], r["side"], r["size"]) == (stage, side, size)]
        return [row[key] for row in rows if key in row]

    def groups(self, stage):
        """(size, sides) in the order of the record."""
        sizes = {}
        for row in self.lines:
            if row["stage"] == stage:
                sizes.setdefault(row["size"], {})[row["side"]] = None
        return [(size, list(sides)) for size, sides in sorted(sizes.items())]

    def median(self, stage, side, size, *keys):
        rows = [r for r in self.lines if (r["stage"], r["side"], r["size"]) == (stage, side, size)]
        sums = [sum(row[key] for key in keys) for row in rows if all(key in row for key in keys)]
        return statistics.median(sums) if sums else None

    def table(self, title, head, rows):
        if not rows:
            return
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        print(f"\n{title}")
        for row in [head, *rows]:
            print(
                "  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths)))
            )

    def failed(self, stage, side, size):
        for text in self.of(stage, side, size, "failed"):
            print(f"  {side}, {size} nodes: {text}")

    def target(self, text, value, met):
        if value is None:
            print(f"  open    {text}: not measured")
            return
        print(f"  {'met   ' if met else 'MISSED'}  {text}: {value}")
        if not met:
            self.missed.append(text)

    def first_hit(self, stage, title):
        for size, sides in self.groups(stage):
            rows = []
            for side in sides:
                whole = self.of(stage, side, size, "whole_ms")
                if whole:
                    rows.append([side, str(len(whole)), "", "", "", "", "", f"whole process {spread(whole)}", "", ""])
                    continue
                hits = [r for r in self.lines if (r["stage"], r["side"], r["size"]) == (stage, side, size)]
                hits = [r for r in hits if "hit_ms" in r]
                if not hits:
                    continue
                both = [r["open_ms"] + r["hit_ms"] for r in hits]
                recall = [r["recall"] for r in hits if "recall" in r]
                rows.append(
                    [side, str(len(hits))]
                    + [spread([r[k] for r in hits], "{:.0f}") for k in ("start_ms", "import_ms")]
                    + [spread([r[k] for r in hits], "{:.2f}") for k in ("open_ms", "hit_ms")]
                    + [spread(both, "{:.2f}"), spread([r["second_ms"] for r in hits], "{:.2f}")]
                    + [f"{statistics.median(r['anonymous_kib'] for r in hits) / 1024:.0f}"]
                    + [f"{statistics.mean(recall):.2f}" if recall else ""]
                )
            head = ["side", "runs", "start", "imports", "open", "first hit", "open + first hit", "second hit"]
            self.table(f"{title}, {size} nodes; ms", head + ["anonymous MiB", "recall@10"], rows)
            for side in sides:
                self.failed(stage, side, size)

    def restart(self):
        stage = "restart"
        self.first_hit(stage, "Restart to first hit (fresh process, page cache warm)")
        sizes = [size for size, _ in self.groups(stage) if self.of(stage, "ragtime", size, "open_ms")]
        if not sizes:
            return
        rows = []
        for size in sizes:
            keys = ("open_faults", "open_bytes_read", "hit_faults", "hit_bytes_read")
            counts = [f"{statistics.median(self.of(stage, 'ragtime', size, key)):.0f}" for key in keys]
            memory = [self.median(stage, "ragtime", size, key) / 1024 for key in ("anonymous_kib", "mapped_kib")]
            rows.append([str(size), *counts, *(f"{mib:.1f}" for mib in memory)])
        head = ["nodes", "faults: open", "bytes read: open", "faults: first hit", "bytes read: first hit"]
        self.table("Ragtime's open, by the kernel's counts", head + ["anonymous MiB", "mapped MiB"], rows)
        print("\ntargets")
        opens = {size: self.median(stage, "ragtime", size, "open_ms") for size in sizes}
        for size, value in opens.items():
            self.target(f"open at {size} <= 1 ms", f"{value:.3f} ms", value <= 1)
        if len(sizes) > 1:
            ratio = opens[sizes[-1]] / opens[sizes[0]]
            self.target(f"open at {sizes[-1]} <= 2x that at {sizes[0]}", f"{ratio:.2f}x", ratio <= 2)
        for size in sizes:
            memory = self.median(stage, "ragtime", size, "anonymous_kib") * 1024
            disk = self.of("make", "ragtime", size, "disk_bytes")
            if disk:
                allowed = 64 * 2**20 + disk[-1] // 20
                text = f"anonymous memory at {size} <= {allowed / 2**20:.0f} MiB (64 MiB + 5 % of the data)"
                self.target(text, f"{memory / 2**20:.1f} MiB", memory <= allowed)
        for size in sizes:
            self.best_peer(stage, size, "ragtime", None, ("open_ms", "hit_ms"), 50, "open to first hit")

    def best_peer(self, stage, size, ours, peers, keys, wanted, what):
        mine = self.median(stage, ours, size, *keys)
        others = {}
        for side in dict(self.groups(stage)).get(size, []):
            value = None if side.startswith("ragtime") else self.median(stage, side, size, *keys)
            if value is not None and (peers is None or side in peers):
                others[side] = value
        if mine is None or not others:
            self.target(f"{what} at {size} >= {wanted}x sooner", None, False)
            return
        best = min(others, key=others.get)
        ratio = others[best] / mine
        self.target(f"{what} at {size} >= {wanted}x sooner than {best}", f"{ratio:.1f}x", ratio >= wanted)

    def inprocess(self):
        stage = "inprocess"
        self.first_hit(stage, "Within the process: open and first hit")
        pairs = [("ragtime", p) for p in ("usearch", "lancedb", "lancedb-flat", "zvec", "zvec-flat")]
        for size, sides in self.groups(stage):
            print(f"\ntargets, {size} nodes")
            for ours, peer in [*pairs, ("ragtime-keyword", "tantivy")]:
                if peer in sides:
                    self.best_peer(stage, size, ours, [peer], ("hit_ms",), 3, "first hit after opening")
                mine, other = (self.median(stage, side, size, "open_ms", "hit_ms") for side in (ours, peer))
                if mine and other:
                    print(f"          open and first hit together: {other / mine:.1f}x sooner than {peer}")

    def bulk(self):
        for size, sides in self.groups("bulk"):
            rows = []
            for side in sides:
                inserts, settles = (self.of("bulk", side, size, key) for key in ("insert_ms", "settle_ms"))
                rates = [size / ms * 1000 for ms in inserts]
                total = [size / (a + b) * 1000 for a, b in zip(inserts, settles)]
                if inserts:
                    rows.append([side, str(len(inserts)), spread(rates, "{:.0f}"), spread(total, "{:.0f}")])
            head = ["side", "runs", "inserted", "inserted and settled"]
            self.table(f"Bulk insert, {size} nodes; rows/s", head, rows)
            for side in sides:
                self.failed("bulk", side, size)
            for side in [side for side in sides if side in ("chroma", "milvus-lite")]:
                mine, other = (self.median("bulk", s, size, "insert_ms", "settle_ms") for s in ("ragtime", side))
                if mine and other:
                    self.target(f"bulk insert of {size} >= 10x {side}", f"{other / mine:.1f}x", other >= 10 * mine)

    def write(self):
        keys = ("insert_one_ms", "insert_one_found_ms", "delete_1%_ms", "delete_10%_ms")
        for size, sides in self.groups("write"):
            rows, medians = [], {}
            for side in sides:
                runs = [r for r in self.lines if (r["stage"], r["side"], r["size"]) == ("write", side, size)]
                runs = [r for r in runs if keys[0] in r]
                if not runs:
                    continue
                # Of single inserts, the median of each run; its spread is over the runs.
                values = [
                    [statistics.median(r[k]) if isinstance(r[k], list) else r[k] for r in runs] for k in keys
                ]
                medians[side] = [statistics.median(v) for v in values]
                syncs = self.of("syncs", side, size, "syncs_each")
                rows.append(
                    [side, str(len(runs))]
                    + [spread(v, "{:.2f}") for v in values]
                    + [f"{syncs[-1]:.2f}" if syncs else "not counted"]
                )
            head = ["side", "runs", "insert one", "... until found", "delete 1 %", "delete 10 %", "fsyncs an insert"]
            self.table(f"Small writes and deletions, {size} nodes there; ms", head, rows)
            for side in sides:
                self.failed("write", side, size)
            for side in ("chroma", "milvus-lite"):
                for i, key in [(1, "insert one until found"), (2, "delete 1 %"), (3, "delete 10 %")]:
                    if side in medians and "ragtime" in medians:
                        ratio = medians[side][i] / medians["ragtime"][i]
                        self.target(f"{key} at {size} >= 10x {side}", f"{ratio:.1f}x", ratio >= 10)

    def filter(self):
        for size, sides in self.groups("filter"):
            rows, p50 = [], {}
            for side in sides:
                for share in SELECTIVITIES:
                    runs = self.of("filter", side, size, share)
                    if not runs:
                        continue
                    halves = [statistics.median(run["ms"]) for run in runs]
                    tails = [sorted(run["ms"])[int(len(run["ms"]) * 0.95)] for run in runs]
                    if runs[0]["matching"] > 0:
                        p50[side, share] = statistics.median(halves)
                    recall = min(run["recall"] for run in runs)
                    rows.append(
                        [side, share, str(runs[0]["matching"]), str(len(runs)), spread(halves, "{:.3f}")]
                        + [spread(tails, "{:.3f}"), f"{recall:.3f}"]
                    )
            head = ["side", "matching", "nodes", "runs", "p50", "p95", "least recall@10"]
            self.table(f"Vector search with a filter, {size} nodes; ms", head, rows)
            for side in sides:
                self.failed("filter", side, size)
            for side in ("chroma", "milvus-lite", "milvus-lite-flat"):
                for share in SELECTIVITIES:
                    if (side, share) in p50 and ("ragtime", share) in p50:
                        ratio = p50[side, share] / p50["ragtime", share]
                        self.target(f"{share} of {size} >= 10x {side}", f"{ratio:.1f}x", ratio >= 10)

    def disk(self):
        for size, sides in self.groups("make"):
            rows = []
            for side in sides:
                disk = self.of("make", side, size, "disk_bytes")
                if disk:
                    rows.append([side, f"{disk[-1] / size:.0f}", HOLDS.get(side, "vectors, texts, fields")])
            title = f"Bytes on disk for each node, {size} nodes (384 floats are 1,536)"
            self.table(title, ["side", "bytes", "of"], rows)
            for side in sides:
                self.failed("make", side, size)

    def print(self):
        print(f"machine: {'; '.join(dict.fromkeys(row['machine'] for row in self.lines))}")
        versions = dict.fromkeys(v.strip() for row in self.lines for v in row.get("versions", "").split(",") if v)
        print(f"peers: {', '.join(versions) or 'none'}")
        print("values: median [least to most] of the runs")
        for part in (self.restart, self.inprocess, self.bulk, self.write, self.filter, self.disk):
            part()
        print(f"\n{len(self.missed)} targets missed" if self.missed else "\nno target missed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = ["make", "restart", "inprocess", "bulk", "write", "filter"]
    parser.add_argument("stage", choices=[*stages, "report", "clean", "all"])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, help="recorded in the knowledge bases; nothing is embedded")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--sides", help="only these, separated by commas")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--singles", type=int, default=100, help="nodes inserted one by one in a run")
    parser.add_argument("--queries", type=int, default=100, help="for each selectivity in a run")
    parser.add_argument("--slow-s", type=float, default=60)
    parser.add_argument("--slow-runs", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=900)
    parser.add_argument("--fresh", action="store_true", help="remove the results and FOLDER first")
    arguments = parser.parse_args()
    if arguments.stage == "report":
        Report(load(arguments.results / "store.jsonl")).print()
        return 0
    if not arguments.work:
        parser.error("--work is needed")
    if arguments.stage == "clean":
        shutil.rmtree(arguments.work)
        return 0
    if not arguments.build or not arguments.model:
        parser.error("--build and --model are needed")
    if arguments.fresh:
        shutil.rmtree(arguments.results, ignore_errors=True)
        shutil.rmtree(arguments.work, ignore_errors=True)
    for name in ("results", "build", "work", *(["peers"] if arguments.peers else [])):
        setattr(arguments, name, getattr(arguments, name).absolute())
    bench = Bench(arguments)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    subprocess.run([bench.program("store_generate"), "make", bench.data, str(max(sizes))], check=True)
    for stage in stages if arguments.stage == "all" else [arguments.stage]:
        for size in sizes:
            getattr(bench, stage)(size)
    if arguments.stage == "all":
        Report(load(bench.results)).print()
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
