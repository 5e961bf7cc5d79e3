#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recall and speed of vector indexes, ours beside other libraries and stores, on the same vectors.

    bench/vector.py BUILD VENV VECTORS QUERIES WORK [--k 10,100] [--threads 1,2] [--sides a,b] [--filters] [--plot FILE]
                    [--clock processor|wall] [--build-only]

VECTORS and QUERIES hold float32, row by row, of length 1; bench/vector_data.py makes real ones, bench/vector_sets.py
larger ones of those, bench/vector_peers.sh makes VENV. Every side runs in a process of its own, in turn
(bench/vector_libraries.py). Its index and its points are kept in WORK, so that the bench goes on where it was stopped:
a side that is done is not run again (--fresh measures it again and keeps its index), and one call can do one side
(--sides); --build-only makes the indexes that are not there and measures nothing. In the end the targets are printed,
and which of them are met.

Speed is in the processor's time of the searching process, the fastest of three rounds, so that other work on the
machine disturbs little; several threads share the queries, and their time is divided by their number. What threads
wait for each other is in the time only by --clock wall, which needs a machine that does nothing else. The peers search
all queries in one call of their batch interface, ours is called query by query; VSAG and zvec have none either, and
are asked by as many threads of Python. p99 is of single calls, Python's own time (some microseconds) included for the
peers. Milvus Lite and Chroma are servers, of which only the server's processor time counts, whatever the clock, for
all queries in batches of 100, from as many clients as threads; its clock has hundredths of a second. A hit counts by
its score, since equally near rows may stand for each other. Bytes a row are those of the index as it is saved; the
peers' hold the vectors (their own codes of them where they have some), while ours lie in a mapped file beside it, 4
bytes a dimension, of which a search reads a few. What the build took is kept beside the index. Open and first query of
ours are the medians of five fresh processes, with the files in memory; what the very first saw is kept as cold_*.

--filters measures searches among 0.1, 1, 10 and 50 % of the rows: chosen at random, or the rows that are nearest to
one vector, asked with the queries nearest to it (correlated) and farthest from it (anti-correlated). usearch, VSAG and
the RaBitQ library take no filter from Python. hnswlib's filter is a Python function for each row, and so it is asked
only where it is named in --filter-sides.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

EFS = [12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
SERVER_EFS = [16, 64, 192]
FILTER_EFS = [16, 32, 64, 128, 256, 512]
LEVELS = [0.90, 0.95, 0.99]
PEERS = ["hnswlib", "usearch-f32", "usearch-i8", "faiss-hnsw", "faiss-hnsw-sq8", "faiss-ivf-pq-fastscan",
         "faiss-ivf-rabitq", "rabitq-hnsw", "symphonyqg", "vsag-hgraph", "zvec-hnsw", "zvec-hnsw-rabitq", "milvus-lite",
         "chroma"]
FILTERED = ["ragtime", "faiss-flat", "faiss-hnsw", "zvec-hnsw", "milvus-lite", "chroma"]
SERVERS = ["milvus-lite", "chroma"]
SELECTED = [0.1, 1, 10, 50]  # Per cent.
FILTER_QUERIES = 200
OPENINGS = 5
RANKS = ["random", "near"]  # What the rows are filtered by.
KINDS = {"random": "random", "correlated": "near", "anti-correlated": "near"}  # Of queries, and of rows.
# Of IVF_*, ef is nprobe.
OURS = {"ragtime": "HNSW", "ragtime-fast": "HNSW_FAST", "ragtime-ivf-flat": "IVF_FLAT", "ragtime-ivf-sq8": "IVF_SQ8",
        "ragtime-ivf-pq": "IVF_PQ"}


def lines_of(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if result.returncode != 0:
        print(f"{' '.join(map(str, command))} failed: {result.stderr.strip()[-800:]}", file=sys.stderr)
        return None
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def wanted_of(rows, share):
    return max(10, round(rows * share / 100))


def rows_of(args):
    rows = os.path.getsize(args.vectors) // (4 * args.dimension)
    return min(rows, args.rows) if args.rows else rows


def points_of(side, args, filtered=None):
    """What the side measures, from WORK if it is there. `filtered` is a kind and a share. None where it failed."""
    name = f".{filtered[0]}.{filtered[1]:g}" if filtered else ""
    kept = os.path.join(args.work, f"{side}{name}.json")
    index = os.path.join(args.work, f"{side}.{args.m}.{args.ef_construction}.index")
    if args.build_only and os.path.exists(index):
        return build_of(index)
    if os.path.exists(kept) and side not in args.fresh:
        with open(kept) as lines:
            before = [json.loads(line) for line in lines]
        # Those of another clock are measured again.
        if all(line.get("clock", "processor") == args.clock for line in before):
            return build_of(index) + before
    queries = os.path.join(args.work, f"{filtered[0]}.queries.f32") if filtered else args.queries
    efs = FILTER_EFS if filtered else SERVER_EFS if side in SERVERS else EFS
    if side in OURS:
        command = [os.path.join(args.build, "bench", "vector_search"), args.vectors, queries, str(args.dimension),
                   OURS[side]]
        command += ["--rows", str(args.rows)] if args.rows else []
        if filtered:
            command += ["--excluded", os.path.join(args.work, f"filter.{KINDS[filtered[0]]}.{filtered[1]:g}.bits")]
    else:
        command = [os.path.join(args.venv, "bin", "python"), args.libraries, side, args.vectors, queries, index,
                   "--dimension", str(args.dimension), "--rows", str(args.rows), "--build-threads",
                   str(args.build_threads), "--ranks",
                   ",".join(os.path.join(args.work, f"rank.{by}.i64") for by in RANKS)]
        if filtered:
            by = RANKS.index(KINDS[filtered[0]])
            command += ["--by", str(by), "--wanted", str(wanted_of(rows_of(args), filtered[1]))]
    command += ["--m", str(args.m), "--ef-construction", str(args.ef_construction), "--ef", ",".join(map(str, efs)),
                "--k", "10" if filtered else args.k,
                "--threads", "1" if filtered else args.threads, "--clock", args.clock]
    if side in OURS:
        command += ["--index", index, "--worst", os.path.join(args.work, f"worst-ours{name}")]
        command += ["--measure", "no"] if args.build_only else []
    else:
        command += ["--worst", os.path.join(args.work, f"worst{name}")] + (["--build-only"] if args.build_only else [])
    lines = lines_of(command)
    if lines is None:
        return None
    for line in lines:
        if "build_s" in line:
            with open(index + ".build", "w") as out:
                out.write(json.dumps(line) + "\n")
    if args.build_only:
        return lines
    if side in OURS:
        opened_again(lines, command)
    part = kept + ".part"
    with open(part, "w") as out:
        for line in lines:
            out.write(json.dumps({"machine": machine(), "clock": args.clock, **line}) + "\n")
    os.rename(part, kept)
    return build_of(index) + lines


def opened_again(lines, command):
    """Opening and the first query in OPENINGS more fresh processes: the medians take the place of what the first saw,
    for which the files may not have been in memory, and that stays beside them."""
    again = [line for _ in range(OPENINGS) for line in lines_of(command + ["--measure", "no"]) or []]
    for line in lines:
        for key in ("open_ms", "first_ms"):
            if key in line and again:
                line["cold_" + key] = line[key]
                line[key] = statistics.median(one[key] for one in again if key in one)


def build_of(index):
    if not os.path.exists(index + ".build"):
        return []
    with open(index + ".build") as line:
        return [json.loads(line.readline())]


def at_level(points, recall, key="qps"):
    """Between the two nearest points, in the logarithm; the fastest that reaches it if none is below."""
    points = sorted((p["recall"], p[key]) for p in points if key in p)
    above = [p for p in points if p[0] >= recall]
    below = [p for p in points if p[0] < recall]
    if not above:
        return None
    high = above[0]
    if not below or high[0] == below[-1][0]:
        return (max if key == "qps" else min)(p[1] for p in above)
    low = below[-1]
    share = (recall - low[0]) / (high[0] - low[0])
    return math.exp(math.log(low[1]) * (1 - share) + math.log(high[1]) * share)


def machine():
    with open("/proc/cpuinfo") as info:
        name = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"],
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    return f"{name}, {os.cpu_count()} cores, commit {commit or 'unknown'}"


def costs_of(lines):
    known = {}
    for line in lines:
        known.update({key: line[key] for key in ("build_s", "build_cpu_s", "bytes_a_row", "open_ms", "first_ms")
                      if key in line})
    return known


def print_costs(sides):
    print("\n  side                   build s   processor s   bytes a row    open ms   first query ms")
    for side, lines in sides.items():
        known = costs_of(lines)
        cells = (known.get(key, math.nan) for key in ("build_s", "build_cpu_s", "bytes_a_row", "open_ms", "first_ms"))
        print("  {:21s} {:8.1f}   {:11.1f}   {:11.0f}   {:8.2f}   {:14.2f}".format(side, *cells))


def print_speeds(sides, k, threads):
    print(f"\ntop {k}, {threads} threads: queries in a second (p99 in ms of one thread), how many times ours is")
    print("  side                " + "".join(f"{f'recall {level:.2f}':>30s}" for level in LEVELS))
    table = {}
    for side, lines in sides.items():
        mine = [line for line in lines if line.get("k") == k and line.get("threads") == threads]
        if mine:
            table[side] = [(at_level(mine, level), at_level(mine, level, "p99_ms")) for level in LEVELS]
    for side, values in table.items():
        row = ""
        for (ours, _), (qps, p99) in zip(table.get("ragtime", [(None, None)] * len(LEVELS)), values):
            cell = f"{qps:.0f}" if qps else "-"
            cell += f" ({p99:.3f})" if qps and p99 else ""
            cell += f" {ours / qps:5.2f}x" if ours and qps else "       "
            row += f"{cell:>30s}"
        print(f"  {side:21s}{row}")


class Targets:
    def __init__(self):
        print("\ntargets")
        self.open = 0

    def check(self, text, value, met):
        print(f"  {'met ' if met else 'open'}  {text}: {value}")
        self.open += 0 if met else 1

    def finish(self):
        print(f"\n{self.open} targets are open" if self.open else "\nall targets are met")


def print_targets(sides, filters):
    """Of the profile `compact`, which is the default, and of `fast` beside SymphonyQG."""
    targets = Targets()
    speeds = {}
    for side, lines in sides.items():
        mine = [line for line in lines if line.get("k") == 10 and line.get("threads") == 1]
        speeds[side] = {level: at_level(mine, level) for level in LEVELS}
    costs = {side: costs_of(lines) for side, lines in sides.items()}
    ours = speeds.get("ragtime", {})
    if ours.get(0.95):
        for peer, wanted, side in (("hnswlib", 3, "ragtime"), ("rabitq-hnsw", 1.2, "ragtime"),
                                   ("symphonyqg", 1.1, "ragtime-fast")):
            theirs, mine = (speeds.get(of, {}).get(0.95) for of in (peer, side))
            if theirs and mine:
                bytes_ = f"{costs[side]['bytes_a_row']} bytes a row, theirs {costs[peer]['bytes_a_row']}"
                targets.check(f"recall 0.95: {side} >= {wanted}x {peer}", f"{mine / theirs:.2f}x, {bytes_}",
                              mine >= wanted * theirs)
        for level in LEVELS:
            for side in ("ragtime", "ragtime-fast"):
                mine = speeds.get(side, {}).get(level)
                if not mine:
                    continue
                better = [peer for peer, speed in speeds.items() if peer not in OURS and speed[level] and
                          speed[level] >= mine and costs[peer]["bytes_a_row"] <= costs[side]["bytes_a_row"]]
                targets.check(f"recall {level:.2f}: no peer's point dominates {side} (as fast, no more bytes)",
                              ", ".join(better) or "none", not better)
        mine = costs["ragtime"]
        for key, text, most in (("open_ms", "open", 1), ("first_ms", "first query", 5)):
            targets.check(f"{text} <= {most} ms", f"{mine[key]:.3f} ms", mine[key] <= most)
        for key, text in (("build_s", "build time"), ("build_cpu_s", "processor time of the build")):
            theirs = costs.get("hnswlib", {}).get(key)
            if theirs and key in mine:
                targets.check(f"{text} <= hnswlib's", f"{mine[key]:.1f} s, hnswlib's {theirs:.1f} s",
                              mine[key] <= theirs)
        if "hnswlib" in costs:
            share = mine["bytes_a_row"] / costs["hnswlib"]["bytes_a_row"]
            targets.check("bytes a row <= 1/4 of hnswlib's", f"{share:.2f}", share <= 0.25)
    for (kind, share), found in filters.items():
        mine = found.get("ragtime")
        if mine is None:
            continue
        text = f"filter, {kind}, {share:g} %"
        targets.check(f"{text}: recall >= 0.95", f"{mine[1]:.3f}", mine[1] >= 0.95)
        theirs = {side: qps for side, (qps, _) in found.items() if side != "ragtime" and qps}
        if theirs and mine[0]:
            best = max(theirs, key=theirs.get)
            targets.check(f"{text}: >= 3x {best}, the best", f"{mine[0] / theirs[best]:.2f}x",
                          mine[0] >= 3 * theirs[best])
    targets.finish()


def measure_filters(args):
    """For each kind of filter and each share: by side, queries a second at recall 0.95, and the best recall."""
    print("\nfiltered, top 10, one thread: queries in a second at recall 0.95 (else the best recall)")
    print("  side                  which rows        " + "".join(f"{share:>14g} %" for share in SELECTED))
    table = {}
    for kind in KINDS:
        for side in args.filter_sides.split(","):
            row = ""
            for share in SELECTED:
                lines = points_of(side, args, (kind, share))
                points = [line for line in lines or [] if "qps" in line]
                qps = at_level(points, 0.95)
                best = max((point["recall"] for point in points), default=math.nan)
                if points:
                    table.setdefault((kind, share), {})[side] = (qps, best)
                row += f"{f'{qps:.0f}' if qps else f'({best:.3f})':>16s}"
            print(f"  {side:21s} {kind:16s}  {row}", flush=True)
    return table


def make_filters(args):
    import numpy as np

    vectors = np.fromfile(args.vectors, dtype=np.float32, count=rows_of(args) * args.dimension)
    vectors = vectors.reshape(-1, args.dimension)
    queries = np.fromfile(args.queries, dtype=np.float32).reshape(-1, args.dimension)
    pivot = vectors[np.random.default_rng(1).integers(len(vectors))]
    order = np.argsort(-(queries @ pivot))
    count = min(FILTER_QUERIES, len(queries))
    sets = {"random": queries[:count], "correlated": queries[order[:count]], "anti-correlated": queries[order[-count:]]}
    for kind, some in sets.items():
        some.tofile(os.path.join(args.work, f"{kind}.queries.f32"))
    scores = {"random": np.random.default_rng(2).random(len(vectors)), "near": vectors @ pivot}
    for by, score in scores.items():
        ranks = np.empty(len(vectors), dtype=np.int64)
        ranks[np.argsort(-score)] = np.arange(len(vectors))
        for share in SELECTED:
            excluded = np.ones((len(vectors) + 63) // 64 * 64, dtype=np.uint8)
            excluded[: len(vectors)] = ranks >= wanted_of(len(vectors), share)
            np.packbits(excluded, bitorder="little").tofile(os.path.join(args.work, f"filter.{by}.{share:g}.bits"))
        ranks.tofile(os.path.join(args.work, f"rank.{by}.i64"))


def plot(args):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = [int(k) for k in args.k.split(",")]
    figure, axes = pyplot.subplots(1, len(counts), figsize=(7 * len(counts), 5), squeeze=False)
    for axis, k in zip(axes[0], counts):
        for i, side in enumerate(args.sides.split(",")):
            lines = points_of(side, args) or []
            points = sorted((line["recall"], line["qps"]) for line in lines
                            if line.get("k") == k and line.get("threads") == 1)
            style = {"color": f"C{i % 10}"}
            if side in OURS:
                line = "--" if side == "ragtime-fast" else "-"
                style = {"color": "black", "linewidth": 2.5, "zorder": 9, "linestyle": line}
            axis.plot([p[0] for p in points], [p[1] for p in points], marker="os^"[i // 10 % 3], markersize=3,
                      label=f"{side}, {costs_of(lines).get('bytes_a_row', math.nan):.0f} bytes a row", **style)
        axis.set(xlabel=f"recall@{k}", ylabel="queries in a second of one thread", yscale="log", xlim=(0.8, 1.002))
        axis.grid(True, which="both", alpha=0.3)
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle(f"{os.path.basename(args.vectors)}: {rows_of(args)} rows of {args.dimension} dimensions")
    figure.tight_layout()
    figure.savefig(args.plot, dpi=80, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("venv")
    parser.add_argument("vectors")
    parser.add_argument("queries")
    parser.add_argument("work")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--threads", default="1,2", help="that search")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=128)
    parser.add_argument("--build-threads", type=int, default=2)
    parser.add_argument("--sides", default=",".join(["ragtime", "ragtime-fast"] + PEERS))
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--filter-sides", default=",".join(FILTERED))
    parser.add_argument("--fresh", default="", help="sides to measure again, or all")
    parser.add_argument("--plot", help="a PNG of the curves")
    parser.add_argument("--clock", choices=["processor", "wall"], default="processor")
    parser.add_argument("--build-only", action="store_true", help="make the indexes that are not there, and end")
    parser.add_argument("--in-venv", choices=["filters", "plot"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.libraries = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vector_libraries.py")
    every = f"{args.sides},{args.filter_sides}"
    args.fresh = [] if args.in_venv else (every if args.fresh == "all" else args.fresh).split(",")
    if args.in_venv:
        return make_filters(args) if args.in_venv == "filters" else plot(args)
    here = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__), *sys.argv[1:], "--in-venv"]
    os.makedirs(args.work, exist_ok=True)
    print(f"machine: {machine()}, {args.clock} time")
    print(f"{os.path.basename(args.vectors)}, {rows_of(args)} rows, {args.dimension} dimensions, M {args.m}, "
          f"efConstruction {args.ef_construction}")
    if not all(os.path.exists(os.path.join(args.work, f"rank.{by}.i64")) for by in RANKS):
        subprocess.run([*here, "filters"], check=True)
    sides = {side: points_of(side, args) for side in args.sides.split(",")}
    failed = [side for side, lines in sides.items() if lines is None]
    sides = {side: lines for side, lines in sides.items() if lines is not None}
    print_costs(sides)
    if args.build_only:
        return 1 if failed else 0
    for k in map(int, args.k.split(",")):
        for threads in map(int, args.threads.split(",")):
            print_speeds(sides, k, threads)
    print_targets(sides, measure_filters(args) if args.filters else {})
    if args.plot:
        subprocess.run([*here, "plot"], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
