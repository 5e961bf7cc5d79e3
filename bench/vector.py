#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recall and speed of vector indexes, ours beside hnswlib, usearch, Faiss and the RaBitQ library, on the same vectors.

    bench/vector.py BUILD VENV VECTORS QUERIES [--dimension 384] [--rows N] [--k 10] [--sides a,b] [--json FILE]

VECTORS and QUERIES hold float32, row by row, of length 1. bench/vector_peers.sh makes VENV. Every side runs in a
process of its own, on one thread, in turn; the rounds repeat, and of each point the fastest round counts, in the
processor's time of that process, so that other work on the machine disturbs little. The peers search all queries in
one call of their batch interface; ours makes one call for each query.
Printed: for each side its points, then queries in a second at recall 0.90, 0.95 and 0.99, between the two nearest
points, and how many times as fast ours is.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time

EFS = [12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]
LEVELS = [0.90, 0.95, 0.99]
PEERS = ["hnswlib", "usearch-f32", "usearch-i8", "faiss-hnsw", "faiss-hnsw-sq8", "rabitq-hnsw",
         "symphonyqg"]


def load(path, dimension, rows):
    import numpy as np
    return np.fromfile(path, dtype=np.float32, count=rows * dimension if rows else -1).reshape(-1, dimension)


def peer_hnswlib(vectors, args):
    import hnswlib
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=args.m, ef_construction=args.ef_construction, random_seed=1)
    index.add_items(vectors, num_threads=args.threads)

    def search(queries, k, ef):
        index.set_ef(ef)
        return index.knn_query(queries, k=k, num_threads=1)[0]
    return search


def peer_usearch(dtype):
    def make(vectors, args):
        import numpy as np
        from usearch.index import Index
        index = Index(ndim=vectors.shape[1], metric="ip" if dtype == "f32" else "cos", dtype=dtype, connectivity=args.m,
                      expansion_add=args.ef_construction)
        index.add(np.arange(len(vectors)), vectors, threads=args.threads)

        def search(queries, k, ef):
            index.expansion_search = ef
            return index.search(queries, k, threads=1).keys
        return search
    return make


def peer_faiss(kind):
    def make(vectors, args):
        import faiss
        faiss.omp_set_num_threads(args.threads)
        d = vectors.shape[1]
        if kind == "sq8":
            index = faiss.IndexHNSWSQ(d, faiss.ScalarQuantizer.QT_8bit, args.m, faiss.METRIC_INNER_PRODUCT)
        else:
            index = faiss.IndexHNSWFlat(d, args.m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = args.ef_construction
        index.train(vectors)
        index.add(vectors)
        faiss.omp_set_num_threads(1)

        def search(queries, k, ef):
            index.hnsw.efSearch = ef
            return index.search(queries, k)[1]
        return search
    return make


def peer_faiss_ivf(kind):
    """ef is nprobe; as many lists and parts as ours has by itself, and as many rows scored exactly in the end."""
    def make(vectors, args):
        import faiss
        faiss.omp_set_num_threads(args.threads)
        n, d = vectors.shape
        coarse = faiss.IndexFlatIP(d)
        nlist = min(4 * math.isqrt(n), n // 39)
        if kind == "flat":
            ivf = faiss.IndexIVFFlat(coarse, d, nlist, faiss.METRIC_INNER_PRODUCT)
        elif kind == "sq8":
            ivf = faiss.IndexIVFScalarQuantizer(coarse, d, nlist, faiss.ScalarQuantizer.QT_8bit,
                                                faiss.METRIC_INNER_PRODUCT)
        else:
            ivf = faiss.IndexIVFPQ(coarse, d, nlist, d // 4, 8, faiss.METRIC_INNER_PRODUCT)
        index = faiss.IndexRefineFlat(ivf) if kind == "pq" else ivf
        index.train(vectors)
        index.add(vectors)
        faiss.omp_set_num_threads(1)

        def search(queries, k, ef):
            ivf.nprobe = ef
            if kind == "pq":
                index.k_factor = 8
            return index.search(queries, k)[1]
        return search
    return make


def ids_of(result):
    """Of the numbers and distances that a search of rabitqlib returns."""
    import numpy as np
    return next(part for part in result if np.issubdtype(np.asarray(part).dtype, np.integer))


def peer_rabitq(vectors, args):
    import faiss
    import numpy as np
    import rabitqlib
    # 16 clusters, as in its own examples.
    means = faiss.Kmeans(vectors.shape[1], 16, niter=10, seed=1)
    means.train(vectors)
    clusters = means.index.search(vectors, 1)[1].ravel().astype(np.uint32)
    index = rabitqlib.HnswIndex(vectors.shape[1], len(vectors), M=args.m, ef_construction=args.ef_construction, nbits=9,
                                metric="ip")
    index.build(vectors, means.centroids, clusters, num_threads=args.threads)
    return lambda queries, k, ef: ids_of(index.search(queries, k, ef=ef, num_threads=1))


def peer_symqg(vectors, args):
    import rabitqlib
    index = rabitqlib.SymqgIndex(vectors.shape[1], 2 * args.m, metric="l2", quantization_bits=8)
    index.build(vectors, args.ef_construction, num_threads=args.threads)
    return lambda queries, k, ef: ids_of(index.search(queries, k, ef, num_threads=1))


MAKERS = {"hnswlib": peer_hnswlib, "usearch-f32": peer_usearch("f32"), "usearch-i8": peer_usearch("i8"),
          "faiss-hnsw": peer_faiss("flat"), "faiss-hnsw-sq8": peer_faiss("sq8"), "rabitq-hnsw": peer_rabitq,
          "symphonyqg": peer_symqg, "faiss-ivf-flat": peer_faiss_ivf("flat"), "faiss-ivf-sq8": peer_faiss_ivf("sq8"),
          "faiss-ivf-pq": peer_faiss_ivf("pq")}
# Of ours, by the side's name; ef is nprobe.
IVF_TYPES = {"ragtime-ivf-flat": "IVF_FLAT", "ragtime-ivf-sq8": "IVF_SQ8", "ragtime-ivf-pq": "IVF_PQ"}


def run_peer(name, args):
    """In the peers' environment: builds, searches, prints lines of JSON as vector_search does."""
    import numpy as np
    vectors = load(args.vectors, args.dimension, args.rows)
    queries = load(args.queries, args.dimension, 1000)
    exact = queries @ vectors.T
    worst = np.partition(exact, -args.k, axis=1)[:, -args.k]
    start = time.monotonic()
    search = MAKERS[name](vectors, args)
    print(json.dumps({"side": name, "rows": len(vectors), "build_s": round(time.monotonic() - start, 2)}), flush=True)
    for ef in EFS:
        if ef < args.k:
            continue
        best = math.inf
        for _ in range(3):
            begin = time.process_time()
            found = search(queries, args.k, ef)
            best = min(best, time.process_time() - begin)
        # By score, since equally near rows may stand for each other.
        hits = np.take_along_axis(exact, np.asarray(found).astype(np.int64), axis=1)
        recall = float(np.mean(hits >= worst[:, None] - 1e-6))
        point = {"side": name, "ef": ef, "recall": round(recall, 4), "qps": round(len(queries) / best)}
        print(json.dumps(point), flush=True)


def lines_of(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if result.returncode != 0:
        print(f"{command[0]} failed: {result.stderr.strip()[-800:]}", file=sys.stderr)
        return []
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def qps_at(points, recall):
    """Between the two nearest points, in the logarithm; the fastest that reaches it if none is below."""
    points = sorted(points)
    above = [p for p in points if p[0] >= recall]
    below = [p for p in points if p[0] < recall]
    if not above:
        return None
    high = above[0]
    if not below or high[0] == below[-1][0]:
        return max(p[1] for p in above)
    low = below[-1]
    share = (recall - low[0]) / (high[0] - low[0])
    return math.exp(math.log(low[1]) * (1 - share) + math.log(high[1]) * share)


def machine():
    with open("/proc/cpuinfo") as info:
        name = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"],
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    return f"{name}, {os.cpu_count()} cores, commit {commit or 'unknown'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("venv")
    parser.add_argument("vectors")
    parser.add_argument("queries")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2, help="that build")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sides", default=",".join(["ragtime"] + PEERS),
                        help="also " + ", ".join([*IVF_TYPES, *(side for side in MAKERS if "ivf" in side)]))
    parser.add_argument("--json", help="append every point to this file")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return run_peer(args.peer, args)

    points, builds = {}, {}
    here = [os.path.join(args.venv, "bin", "python"), os.path.abspath(__file__), *sys.argv[1:]]
    ours = [os.path.join(args.build, "bench", "vector_search"), args.vectors, args.queries, str(args.dimension),
            str(args.rows or 1 << 40), "HNSW", str(args.m), str(args.ef_construction), ",".join(map(str, EFS)),
            str(args.k)]
    types = {"ragtime": ours} | {side: [*ours[:5], kind, "0", *ours[7:]] for side, kind in IVF_TYPES.items()}
    for _ in range(args.rounds):
        for side in args.sides.split(","):
            for line in lines_of(types.get(side, [*here, "--peer", side])):
                if "build_s" in line:
                    builds[side] = min(line["build_s"], builds.get(side, math.inf))
                else:
                    key = (side, line["ef"])
                    if key not in points or points[key]["qps"] < line["qps"]:
                        points[key] = line
    print(f"machine: {machine()}")
    print(f"{os.path.basename(args.vectors)}, {args.dimension} dimensions, top {args.k}, M {args.m}, "
          f"efConstruction {args.ef_construction}, one thread")
    if args.json:
        with open(args.json, "a") as out:
            for point in points.values():
                out.write(json.dumps({**point, "machine": machine(), "vectors": os.path.basename(args.vectors)}) + "\n")
    table = {}
    for side in args.sides.split(","):
        mine = [(p["recall"], p["qps"]) for (s, _), p in sorted(points.items()) if s == side]
        if not mine:
            continue
        table[side] = [qps_at(mine, level) for level in LEVELS]
        print(f"  {side:15s} " + "  ".join(f"{recall:.3f}:{qps}" for recall, qps in mine))
    print("\n  side             build s   " + "".join(f"qps at {level:.2f}   ours is   " for level in LEVELS))
    for side, values in table.items():
        cells = ""
        for mine, theirs in zip(table.get("ragtime", [None] * 3), values):
            cells += f"{theirs:11.0f}   " if theirs else "          -   "
            cells += f"{mine / theirs:6.2f}x   " if mine and theirs else "      -   "
        print(f"  {side:15s} {builds.get(side, math.nan):8.1f}   {cells}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
