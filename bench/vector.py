#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recall and speed of vector indexes, ours beside hnswlib, usearch, Faiss and the RaBitQ library, on the same vectors.

    bench/vector.py BUILD VENV VECTORS QUERIES WORK [--k 10,100] [--threads 1,2] [--sides a,b] [--filters] [--plot FILE]

VECTORS and QUERIES hold float32, row by row, of length 1; bench/vector_data.py makes real ones, bench/vector_peers.sh
makes VENV. Every side runs in a process of its own, in turn. Its index and its points are kept in WORK, so that the
bench goes on where it was stopped: a side that is done is not run again, and one call can do one side (--sides).

Speed is in the processor's time of the searching threads, the fastest of three rounds, so that other work on the
machine disturbs little. The peers search all queries in one call of their batch interface, ours is called query by
query; p99 is of single calls, Python's own time (some microseconds) included for the peers. A hit counts by its score,
since equally near rows may stand for each other. Bytes a row are those of the index as it is saved; the peers' hold the
vectors (their own codes of them where they have some), while ours lie in a mapped file beside it, 4 bytes a
dimension, of which a search reads a few.

--filters measures searches among 0.1, 1, 10 and 50 % of the rows: chosen at random, or the rows that are nearest to
one vector, asked with the queries nearest to it (correlated) and farthest from it (anti-correlated).
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time

EFS = [12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
LEVELS = [0.90, 0.95, 0.99]
PEERS = ["hnswlib", "usearch-f32", "usearch-i8", "faiss-hnsw", "faiss-hnsw-sq8", "rabitq-hnsw", "symphonyqg"]
FILTERED = ["ragtime", "hnswlib", "faiss-hnsw"]  # usearch and the RaBitQ library take no filter in Python.
SELECTED = [0.1, 1, 10, 50]  # Per cent.
QUERIES = 1000
SINGLE_QUERIES = 300  # Searched one by one for p99.
ROUNDS = 3


def load(path, dimension, rows=0):
    import numpy as np

    return np.fromfile(path, dtype=np.float32, count=rows * dimension if rows else -1).reshape(-1, dimension)


class Hnswlib:
    def make(self, vectors, args):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(max_elements=len(vectors), M=args.m, ef_construction=args.ef_construction, random_seed=1)
        self.index.add_items(vectors, num_threads=args.build_threads)

    def save(self, path):
        self.index.save_index(path)

    def open(self, path, args):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=args.dimension)
        self.index.load_index(path)

    def search(self, queries, k, ef, threads, allowed=None):
        self.index.set_ef(ef)
        keep = None if allowed is None else lambda row: bool(allowed[row])
        return self.index.knn_query(queries, k=k, num_threads=threads, filter=keep)[0]


class Usearch:
    def __init__(self, dtype):
        self.dtype = dtype

    def make(self, vectors, args):
        import numpy as np
        from usearch.index import Index

        self.index = Index(ndim=vectors.shape[1], metric="ip" if self.dtype == "f32" else "cos", dtype=self.dtype,
                           connectivity=args.m, expansion_add=args.ef_construction)
        self.index.add(np.arange(len(vectors)), vectors, threads=args.build_threads)

    def save(self, path):
        self.index.save(path)

    def open(self, path, args):
        from usearch.index import Index

        self.index = Index.restore(path, view=True)

    def search(self, queries, k, ef, threads):
        self.index.expansion_search = ef
        return self.index.search(queries, k, threads=threads).keys.reshape(len(queries), -1)


class Faiss:
    def __init__(self, kind):
        self.kind = kind

    def make(self, vectors, args):
        import faiss

        faiss.omp_set_num_threads(args.build_threads)
        d = vectors.shape[1]
        if self.kind == "sq8":
            self.index = faiss.IndexHNSWSQ(d, faiss.ScalarQuantizer.QT_8bit, args.m, faiss.METRIC_INNER_PRODUCT)
        else:
            self.index = faiss.IndexHNSWFlat(d, args.m, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = args.ef_construction
        self.index.train(vectors)
        self.index.add(vectors)

    def save(self, path):
        import faiss

        faiss.write_index(self.index, path)

    def open(self, path, args):
        import faiss

        self.index = faiss.read_index(path)

    def search(self, queries, k, ef, threads, allowed=None):
        import faiss
        import numpy as np

        faiss.omp_set_num_threads(threads)
        parameters = faiss.SearchParametersHNSW(efSearch=ef)
        if allowed is not None:
            self.bits = np.packbits(allowed, bitorder="little")
            parameters.sel = self.selector = faiss.IDSelectorBitmap(self.bits)
        return self.index.search(queries, k, params=parameters)[1]


class FaissIvf(Faiss):
    """ef is nprobe; as many lists and parts as ours has by itself, and as many rows scored exactly in the end."""

    def make(self, vectors, args):
        import faiss

        faiss.omp_set_num_threads(args.build_threads)
        n, d = vectors.shape
        coarse = faiss.IndexFlatIP(d)
        lists = min(4 * math.isqrt(n), n // 39)
        if self.kind == "flat":
            ivf = faiss.IndexIVFFlat(coarse, d, lists, faiss.METRIC_INNER_PRODUCT)
        elif self.kind == "sq8":
            ivf = faiss.IndexIVFScalarQuantizer(
                coarse, d, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        else:
            ivf = faiss.IndexIVFPQ(coarse, d, lists, d // 4, 8, faiss.METRIC_INNER_PRODUCT)
        self.coarse = coarse  # Python's objects must outlive what refers to them.
        self.ivf = ivf
        self.index = faiss.IndexRefineFlat(ivf) if self.kind == "pq" else ivf
        self.index.train(vectors)
        self.index.add(vectors)

    def search(self, queries, k, ef, threads, allowed=None):
        import faiss

        faiss.omp_set_num_threads(threads)
        parameters = faiss.SearchParametersIVF(nprobe=ef)
        if self.kind == "pq":
            parameters = faiss.IndexRefineSearchParameters(k_factor=8, base_index_params=parameters)
        return self.index.search(queries, k, params=parameters)[1]


def ids_of(result):
    """Of the numbers and distances that a search of rabitqlib returns."""
    import numpy as np

    return next(part for part in result if np.issubdtype(np.asarray(part).dtype, np.integer))


class Rabitq:
    def make(self, vectors, args):
        import faiss
        import numpy as np
        import rabitqlib

        # 16 clusters, as in its own examples.
        means = faiss.Kmeans(vectors.shape[1], 16, niter=10, seed=1)
        means.train(vectors)
        clusters = means.index.search(vectors, 1)[1].ravel().astype(np.uint32)
        self.index = rabitqlib.HnswIndex(vectors.shape[1], len(vectors), M=args.m,
                                         ef_construction=args.ef_construction, nbits=9, metric="ip")
        self.index.build(vectors, means.centroids, clusters, num_threads=args.build_threads)

    def save(self, path):
        self.index.save(path)

    def open(self, path, args):
        import rabitqlib

        self.index = rabitqlib.HnswIndex.load(path)

    def search(self, queries, k, ef, threads):
        return ids_of(self.index.search(queries, k, ef=ef, num_threads=threads))


class Symqg:
    def make(self, vectors, args):
        import rabitqlib

        self.index = rabitqlib.SymqgIndex(vectors.shape[1], 2 * args.m, metric="l2", quantization_bits=8)
        self.index.build(vectors, args.ef_construction, num_threads=args.build_threads)

    def save(self, path):
        self.index.save(path)

    def open(self, path, args):
        import rabitqlib

        self.index = rabitqlib.SymqgIndex.load(path)

    def search(self, queries, k, ef, threads):
        search = self.index.search if len(queries) == 1 else self.index.search_batch
        return ids_of(search(queries, k, ef, num_threads=threads))


MAKERS = {"hnswlib": Hnswlib, "usearch-f32": lambda: Usearch("f32"), "usearch-i8": lambda: Usearch("i8"),
          "faiss-hnsw": lambda: Faiss("flat"), "faiss-hnsw-sq8": lambda: Faiss("sq8"), "rabitq-hnsw": Rabitq,
          "symphonyqg": Symqg, "faiss-ivf-flat": lambda: FaissIvf("flat"), "faiss-ivf-sq8": lambda: FaissIvf("sq8"),
          "faiss-ivf-pq": lambda: FaissIvf("pq")}


def run_peer(name, args):
    """In the peers' environment: builds, searches, prints lines of JSON as vector_search does."""
    import numpy as np

    vectors = load(args.vectors, args.dimension, args.rows)
    queries = load(args.queries, args.dimension)[:QUERIES]
    allowed = None
    exact = queries @ vectors.T
    if args.excluded:
        words = np.fromfile(args.excluded, dtype=np.uint8)
        allowed = ~np.unpackbits(words, bitorder="little")[: len(vectors)].astype(bool)
        exact[:, ~allowed] = -np.inf
    side = MAKERS[name]()
    path = args.index
    if not os.path.exists(path):
        start = time.monotonic()
        side.make(vectors, args)
        line = {"side": name, "rows": len(vectors), "build_s": round(time.monotonic() - start, 2)}
        print(json.dumps(line), flush=True)
        side.save(path + ".part")
        os.rename(path + ".part", path)
    start = time.monotonic()
    side.open(path, args)
    opened = time.monotonic()
    side.search(queries[:1], 10, 96, 1)
    first_ms = round((time.monotonic() - opened) * 1e3, 3)
    line = {"side": name, "bytes_a_row": round(os.path.getsize(path) / len(vectors)), "first_ms": first_ms}
    print(json.dumps({**line, "open_ms": round((opened - start) * 1e3, 3)}), flush=True)
    more = {} if allowed is None else {"allowed": allowed}
    for k in map(int, args.k.split(",")):
        worst = np.partition(exact, -k, axis=1)[:, -k]
        for ef in [ef for ef in EFS if ef >= k]:
            for threads in map(int, args.threads.split(",")):
                best = math.inf
                for _ in range(ROUNDS if allowed is None else 1):
                    begin = time.process_time()
                    found = side.search(queries, k, ef, threads, **more)
                    best = min(best, (time.process_time() - begin) / threads)
                singles = []
                for query in queries[:SINGLE_QUERIES] if threads == 1 and allowed is None else []:
                    begin = time.thread_time()
                    side.search(query[None], k, ef, 1)
                    singles.append(time.thread_time() - begin)
                found = np.asarray(found).astype(np.int64)
                hits = np.take_along_axis(exact, np.clip(found, 0, len(vectors) - 1), axis=1)
                recall = float(np.mean((hits >= worst[:, None] - 1e-6) & (found >= 0)))
                point = {"side": name, "ef": ef, "k": k, "threads": threads, "recall": round(recall, 4),
                         "qps": round(len(queries) / best)}
                if singles:
                    point["p99_ms"] = round(sorted(singles)[len(singles) * 99 // 100] * 1e3, 3)
                print(json.dumps(point), flush=True)


def lines_of(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if result.returncode != 0:
        print(f"{' '.join(map(str, command))} failed: {result.stderr.strip()[-800:]}", file=sys.stderr)
        return None
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


# Of IVF_*, ef is nprobe.
OURS = {"ragtime": "HNSW", "ragtime-ivf-flat": "IVF_FLAT", "ragtime-ivf-sq8": "IVF_SQ8", "ragtime-ivf-pq": "IVF_PQ"}


def points_of(side, args, queries=None, excluded="", name=""):
    """What the side measures, from WORK if it is there. None where it failed."""
    kept = os.path.join(args.work, f"{side}{name}.json")
    if os.path.exists(kept):
        with open(kept) as lines:
            return [json.loads(line) for line in lines]
    index = os.path.join(args.work, f"{side}.{args.m}.{args.ef_construction}.index")
    queries = queries or args.queries
    k = "10" if excluded else args.k
    threads = "1" if excluded else args.threads
    if side in OURS:
        command = [os.path.join(args.build, "bench", "vector_search"), args.vectors, queries, str(args.dimension),
                   OURS[side], "--m", str(args.m), "--ef-construction", str(args.ef_construction), "--ef",
                   ",".join(map(str, EFS)), "--k", k, "--threads", threads, "--index", index]
        command += ["--rows", str(args.rows)] if args.rows else []
        command += ["--excluded", excluded] if excluded else []
    else:
        command = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__), args.build, args.venv,
                   args.vectors, queries, args.work, "--dimension", str(args.dimension), "--rows", str(args.rows),
                   "--k", k, "--threads", threads, "--m", str(args.m), "--ef-construction",
                   str(args.ef_construction), "--index", index, "--excluded", excluded, "--peer", side]
    lines = lines_of(command)
    if lines is None:
        return None
    part = kept + ".part"
    with open(part, "w") as out:
        for line in lines:
            out.write(json.dumps({**line, "machine": machine()}) + "\n")
    os.rename(part, kept)
    return lines


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


def print_costs(sides):
    print("\n  side             build s   bytes a row    open ms   first query ms")
    for side, lines in sides.items():
        known = {}
        for line in lines:
            known.update({key: line[key] for key in ("build_s", "bytes_a_row", "open_ms", "first_ms") if key in line})
        cells = (known.get(key, math.nan) for key in ("build_s", "bytes_a_row", "open_ms", "first_ms"))
        print("  {:15s} {:8.1f}   {:11.0f}   {:8.2f}   {:14.2f}".format(side, *cells))


def print_speeds(sides, k, threads):
    print(f"\ntop {k}, {threads} threads: queries in a second (p99 in ms of one thread), how many times ours is")
    print("  side          " + "".join(f"{f'recall {level:.2f}':>30s}" for level in LEVELS))
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
        print(f"  {side:15s}{row}")


def measure_filters(args):
    """Makes the bitmaps and the sets of queries in the peers' environment, then asks each side."""
    here = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__)]
    subprocess.run([*here, *sys.argv[1:], "--make-filters"], check=True)
    print("\nfiltered, top 10, one thread: queries in a second at recall 0.95 (else the best recall)")
    print("  side            which rows        " + "".join(f"{share:>14g} %" for share in SELECTED))
    for kind in ("random", "correlated", "anti-correlated"):
        for side in [side for side in FILTERED if side in args.sides.split(",")]:
            row = ""
            for share in SELECTED:
                name = f".{'near' if 'corr' in kind else 'random'}.{share:g}"
                queries = os.path.join(args.work, f"{kind}.queries.f32")
                excluded = os.path.join(args.work, f"filter{name}.bits")
                lines = points_of(side, args, queries, excluded, f".{kind}.{share:g}")
                points = [line for line in lines or [] if "qps" in line]
                qps = at_level(points, 0.95)
                best = max((point["recall"] for point in points), default=math.nan)
                row += f"{f'{qps:.0f}' if qps else f'({best:.3f})':>16s}"
            print(f"  {side:15s} {kind:16s}  {row}", flush=True)


def make_filters(args):
    import numpy as np

    vectors = load(args.vectors, args.dimension, args.rows)
    queries = load(args.queries, args.dimension)
    pivot = vectors[np.random.default_rng(1).integers(len(vectors))]
    order = np.argsort(-(queries @ pivot))
    sets = {"random": queries[:200], "correlated": queries[order[:200]], "anti-correlated": queries[order[-200:]]}
    for kind, some in sets.items():
        some.tofile(os.path.join(args.work, f"{kind}.queries.f32"))
    scores = {"random": np.random.default_rng(2).random(len(vectors)), "near": vectors @ pivot}
    for kind, score in scores.items():
        for share in SELECTED:
            wanted = max(10, round(len(vectors) * share / 100))
            excluded = np.ones((len(vectors) + 63) // 64 * 64, dtype=np.uint8)
            excluded[np.argsort(-score)[:wanted]] = 0
            np.packbits(excluded, bitorder="little").tofile(os.path.join(args.work, f"filter.{kind}.{share:g}.bits"))


def plot(args):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = [int(k) for k in args.k.split(",")]
    figure, axes = pyplot.subplots(1, len(counts), figsize=(6 * len(counts), 5), squeeze=False)
    for axis, k in zip(axes[0], counts):
        for side in args.sides.split(","):
            points = sorted((line["recall"], line["qps"]) for line in points_of(side, args) or []
                            if line.get("k") == k and line.get("threads") == 1)
            axis.plot([p[0] for p in points], [p[1] for p in points], marker="o", markersize=3, label=side)
        axis.set(xlabel=f"recall@{k}", ylabel="queries in a second of one thread", yscale="log", xlim=(0.8, 1.002))
        axis.grid(True, which="both", alpha=0.3)
    axes[0][0].legend()
    figure.suptitle(f"{os.path.basename(args.vectors)}, {args.dimension} dimensions")
    figure.tight_layout()
    figure.savefig(args.plot, dpi=100)


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
    parser.add_argument("--sides", default=",".join(["ragtime"] + PEERS))
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--plot", help="a PNG of the curves")
    for hidden in ("--peer", "--index", "--excluded"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--make-filters", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make-plot", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return run_peer(args.peer, args)
    if args.make_filters:
        return make_filters(args)
    if args.make_plot:
        return plot(args)
    os.makedirs(args.work, exist_ok=True)
    print(f"machine: {machine()}")
    print(f"{os.path.basename(args.vectors)}, {args.dimension} dimensions, M {args.m}, "
          f"efConstruction {args.ef_construction}")
    sides = {side: points_of(side, args) for side in args.sides.split(",")}
    failed = [side for side, lines in sides.items() if lines is None]
    sides = {side: lines for side, lines in sides.items() if lines is not None}
    print_costs(sides)
    for k in map(int, args.k.split(",")):
        for threads in map(int, args.threads.split(",")):
            print_speeds(sides, k, threads)
    if args.filters:
        measure_filters(args)
    if args.plot:
        here = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__)]
        subprocess.run([*here, *sys.argv[1:], "--make-plot"], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
