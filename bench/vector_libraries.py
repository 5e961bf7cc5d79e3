#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The libraries that bench/vector.py compares with; it starts this in their environment, one process for each.

    vector_libraries.py SIDE VECTORS QUERIES INDEX [--dimension N] [--rows N] [--k 10] [--threads 1] [--ef 16,24]
                        [--clock processor|wall] [--m 16] [--ef-construction 128] [--build-threads 2]
                        [--ranks FILE,FILE [--by N --wanted N]] [--worst FILE]

Opens INDEX, or builds it first, and prints a line of JSON for each measurement, as bench/vector_search.cc does. Each
FILE of --ranks (int64, one for each row) is a field of the rows where a side has fields; with --wanted only the rows
whose rank in the one numbered --by is below that may be hits. What a full scan says is kept in --worst, for the next
side.
"""
import argparse
import json
import os
import time

from vector_collections import Chroma, Milvus, ServedSide, Zvec
from vector_indexes import Faiss, FaissIvf, Hnswlib, Rabitq, Symqg, Usearch, Vsag

QUERIES = 1000
SINGLE_QUERIES = 300  # Searched one by one for p99.
ROUNDS = 3
SERVED_SECONDS = 0.5  # Of a server, whose clock counts hundredths of a second.
ENOUGH = 0.9995  # A larger ef is not tried after a recall like that.


def load(path, dimension, rows=0):
    import numpy as np

    return np.fromfile(path, dtype=np.float32, count=rows * dimension if rows else -1).reshape(-1, dimension)


class Filter:
    """The rows that may be hits: by flag, and by rank for those whose filters are conditions on a field."""

    def __init__(self, ranks, by, wanted):
        self.field = f"rank_{by}"
        self.wanted = wanted
        self.allowed = ranks[self.field] < wanted


MAKERS = {
    "hnswlib": Hnswlib,
    "usearch-f32": lambda: Usearch("f32"),
    "usearch-i8": lambda: Usearch("i8"),
    "faiss-flat": lambda: Faiss("scan"),
    "faiss-hnsw": lambda: Faiss("flat"),
    "faiss-hnsw-sq8": lambda: Faiss("sq8"),
    "rabitq-hnsw": Rabitq,
    "symphonyqg": Symqg,
    "vsag-hgraph": Vsag,
    "zvec-hnsw": lambda: Zvec("hnsw"),
    "zvec-hnsw-int8": lambda: Zvec("int8"),
    "zvec-hnsw-rabitq": lambda: Zvec("rabitq"),
    "zvec-diskann": lambda: Zvec("diskann"),
    "milvus-lite": Milvus,
    "chroma": Chroma,
    **{f"faiss-ivf-{kind}": lambda kind=kind: FaissIvf(kind) for kind in FaissIvf.KINDS},
}


def size_of(path):
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


class Truth:
    """The worst score of the k nearest allowed rows for each query. It is kept in files where `kept` begins a name."""

    def __init__(self, vectors, queries, counts, rows, kept=""):
        import numpy as np

        self.vectors, self.queries, self.rows = vectors, queries, rows
        files = {k: f"{kept}.{k}.f32" for k in counts}
        if kept and all(map(os.path.exists, files.values())):
            self.worst = {k: np.fromfile(name, dtype=np.float32) for k, name in files.items()}
            assert all(len(worst) == len(queries) for worst in self.worst.values()), f"{kept} is of other queries"
            return
        self.scan(counts)
        if kept:
            for k, name in files.items():
                self.worst[k].tofile(name + ".part")
                os.rename(name + ".part", name)

    def scan(self, counts):
        import numpy as np

        vectors, queries, rows = self.vectors, self.queries, self.rows
        self.worst = {k: np.empty(len(queries), dtype=np.float32) for k in counts}
        for start in range(0, len(queries), 50):  # All at once would be 4 GB for a million rows.
            scores = queries[start:start + 50] @ vectors.T
            if rows is not None:
                scores[:, ~rows.allowed] = -np.inf
            for k in counts:
                self.worst[k][start:start + 50] = np.partition(scores, -k, axis=1)[:, -k]

    def recall(self, found, k):
        import numpy as np

        found = np.asarray(found).astype(np.int64).reshape(len(self.queries), -1)
        at = np.clip(found, 0, len(self.vectors) - 1)
        scores = np.array([self.vectors[rows] @ query for rows, query in zip(at, self.queries)])
        hits = (scores >= self.worst[k][:, None] - 1e-6) & (found >= 0)
        if self.rows is not None:
            hits &= self.rows.allowed[at]
        return float(np.mean(hits))


def measure(side, name, truth, k, ef, threads, rows, by_wall):
    served = isinstance(side, ServedSide)
    of_one = time.perf_counter if by_wall else time.process_time
    clock = side.seconds if served else of_one
    more = {} if rows is None else {"rows": rows}
    spent = []
    while not spent or (sum(spent) < SERVED_SECONDS and len(spent) < 50 if served else len(spent) < ROUNDS):
        begin = clock()
        found = side.search(truth.queries, k, ef, threads, **more)
        spent.append((clock() - begin) / (1 if by_wall and not served else threads))
    best = sum(spent) / len(spent) if served else min(spent)
    point = {"side": name, "ef": ef, "k": k, "threads": threads, "recall": round(truth.recall(found, k), 4),
             "qps": round(len(truth.queries) / max(best, 1e-3))}
    if threads == 1 and rows is None and not served:
        singles = []
        for query in truth.queries[:SINGLE_QUERIES]:
            begin = of_one()
            side.search(query[None], k, ef, 1)
            singles.append(of_one() - begin)
        point["p99_ms"] = round(sorted(singles)[len(singles) * 99 // 100] * 1e3, 3)
    return point


def run(name, args):
    import numpy as np

    vectors = load(args.vectors, args.dimension, args.rows)
    queries = load(args.queries, args.dimension)[:QUERIES]
    args.ranks = {f"rank_{i}": np.fromfile(path, dtype=np.int64)[: len(vectors)]
                  for i, path in enumerate(filter(None, args.ranks.split(",")))}
    rows = Filter(args.ranks, args.by, args.wanted) if args.wanted else None
    side = MAKERS[name]()
    path = args.index
    if not os.path.exists(path):
        start, begin = time.monotonic(), time.process_time()
        side.make(vectors, args)
        line = {"side": name, "rows": len(vectors), "build_s": round(time.monotonic() - start, 2)}
        spent = side.seconds() if isinstance(side, ServedSide) else time.process_time() - begin
        print(json.dumps({**line, "build_cpu_s": round(spent, 2)}), flush=True)
        side.save(path + ".part")
        os.rename(path + ".part", path)
        if args.build_only:
            return
    start = time.monotonic()
    side.open(path, args)
    opened = time.monotonic()
    try:
        side.search(queries[:1], 10, 96, 1)
        line = {"side": name, "bytes_a_row": round(size_of(path) / len(vectors)),
                "first_ms": round((time.monotonic() - opened) * 1e3, 3)}
        print(json.dumps({**line, "open_ms": round((opened - start) * 1e3, 3)}), flush=True)
        counts = [int(k) for k in args.k.split(",")]
        truth = Truth(vectors, queries, counts, rows, args.worst)
        for k in counts:
            for threads in map(int, args.threads.split(",")):
                for ef in [int(ef) for ef in args.ef.split(",") if int(ef) >= k or name == "faiss-flat"]:
                    if hasattr(side, "set_ef"):
                        side.set_ef(path, ef, args)
                    point = measure(side, name, truth, k, ef, threads, rows, args.clock == "wall")
                    print(json.dumps(point), flush=True)
                    if point["recall"] >= ENOUGH:
                        break
    finally:
        if isinstance(side, ServedSide):
            side.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=list(MAKERS))
    parser.add_argument("vectors")
    parser.add_argument("queries")
    parser.add_argument("index")
    for name, value in {"dimension": 384, "rows": 0, "m": 16, "ef-construction": 128, "build-threads": 2,
                        "by": 0, "wanted": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in {"k": "10", "threads": "1", "ef": "96", "ranks": "", "worst": ""}.items():
        parser.add_argument(f"--{name}", default=value)
    parser.add_argument("--clock", choices=["processor", "wall"], default="processor")
    parser.add_argument("--build-only", action="store_true", help="leave an index that is new, and end")
    args = parser.parse_args()
    run(args.side, args)


if __name__ == "__main__":
    main()
