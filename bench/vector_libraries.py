#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The libraries that bench/vector.py compares with; it starts this in their environment, one process for each.

    vector_libraries.py SIDE VECTORS QUERIES INDEX [--dimension N] [--rows N] [--k 10] [--threads 1] [--ef 16,24]
                        [--m 16] [--ef-construction 128] [--build-threads 2] [--ranks FILE,FILE [--by N --wanted N]]

Opens INDEX, or builds it first, and prints a line of JSON for each measurement, as bench/vector_search.cc does. Each
FILE of --ranks (int64, one for each row) is a field of the rows where a side has fields; with --wanted only the rows
whose rank in the one numbered --by is below that may be hits.
"""
import argparse
import contextlib
import json
import math
import os
import shutil
import sys
import time

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

    def search(self, queries, k, ef, threads, rows=None):
        self.index.set_ef(ef)
        keep = None if rows is None else lambda row: bool(rows.allowed[row])
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
        if self.kind == "scan":
            self.index = faiss.IndexFlatIP(d)
            return self.index.add(vectors)
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

    def parameters(self, ef):
        import faiss

        return faiss.SearchParameters() if self.kind == "scan" else faiss.SearchParametersHNSW(efSearch=ef)

    def search(self, queries, k, ef, threads, rows=None):
        import faiss
        import numpy as np

        faiss.omp_set_num_threads(threads)
        parameters = self.parameters(ef)
        if rows is not None:
            self.bits = np.packbits(rows.allowed, bitorder="little")
            parameters.sel = self.selector = faiss.IDSelectorBitmap(self.bits)
        return self.index.search(queries, k, params=parameters)[1]


class FaissIvf(Faiss):
    """ef is nprobe; as many lists and parts as ours has by itself. Those that refine score eight times as many rows
    exactly as are wanted, as ours does; fast scan and 1-bit codes, which say less, 32 times as many."""

    KINDS = {"flat": ("Flat", 0), "sq8": ("SQ8", 0), "pq": ("PQ{parts}", 8), "pq-fastscan": ("PQ{halves}x4fs", 32),
             "rabitq": ("RaBitQ", 32)}

    def make(self, vectors, args):
        import faiss

        faiss.omp_set_num_threads(args.build_threads)
        n, d = vectors.shape
        codes, refined = self.KINDS[self.kind]
        lists = min(4 * math.isqrt(n), n // 39)
        key = f"IVF{lists},{codes.format(parts=d // 4, halves=d // 2)}" + (",RFlat" if refined else "")
        self.index = faiss.index_factory(d, key, faiss.METRIC_INNER_PRODUCT)
        self.index.train(vectors)
        self.index.add(vectors)

    def parameters(self, ef):
        import faiss

        kind = faiss.IVFRaBitQSearchParameters if self.kind == "rabitq" else faiss.SearchParametersIVF
        parameters = kind()
        parameters.nprobe = ef
        refined = self.KINDS[self.kind][1]
        if refined:
            self.inner = parameters  # Python's objects must outlive what refers to them.
            parameters = faiss.IndexRefineSearchParameters(k_factor=refined, base_index_params=parameters)
        return parameters


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


def padded(rows, k):
    import numpy as np

    found = np.full((len(rows), k), -1, dtype=np.int64)
    for place, row in zip(found, rows):
        place[: len(row)] = row[:k]
    return found


class Vsag:
    """HGraph over 8-bit codes, and the vectors for the end. Its Python takes one query at a time and no filter."""

    def start(self, args):
        import pyvsag

        pyvsag.set_logger_off()
        inner = {"base_quantization_type": "sq8_uniform", "precise_quantization_type": "fp32", "use_reorder": True,
                 "max_degree": 2 * args.m, "ef_construction": args.ef_construction,
                 "build_thread_count": args.build_threads}
        outer = {"dtype": "float32", "metric_type": "ip", "dim": args.dimension, "index_param": inner}
        self.index = pyvsag.Index("hgraph", json.dumps(outer))

    def make(self, vectors, args):
        import numpy as np

        self.start(args)
        self.index.build(vectors.ravel(), np.arange(len(vectors), dtype=np.int64), *vectors.shape)

    def save(self, path):
        self.index.save(path)

    def open(self, path, args):
        self.start(args)
        self.index.load(path)

    def search(self, queries, k, ef, threads):
        parameters = json.dumps({"hgraph": {"ef_search": ef}})
        return padded([ids_of(self.index.knn_search(query, k, parameters)) for query in queries], k)


class Zvec:
    """Takes one query at a time; a filter is a condition on an indexed field."""

    def __init__(self, kind):
        import zvec

        self.zvec, self.kind = zvec, kind

    def make(self, vectors, args):
        z = self.zvec
        z.init(log_level=z.LogLevel.ERROR, query_threads=1, optimize_threads=args.build_threads)
        graph = {"metric_type": z.MetricType.IP, "m": args.m, "ef_construction": args.ef_construction}
        kinds = {
            "hnsw": lambda: z.HnswIndexParam(**graph),
            "int8": lambda: z.HnswIndexParam(**graph, quantize_type=z.QuantizeType.INT8),
            "rabitq": lambda: z.HnswRabitqIndexParam(**graph),
            "diskann": lambda: z.DiskAnnIndexParam(metric_type=z.MetricType.IP, max_degree=2 * args.m, list_size=100),
        }
        fields = [z.FieldSchema(name, z.DataType.INT64, index_param=z.InvertIndexParam(True)) for name in args.ranks]
        vector = z.VectorSchema("vector", z.DataType.VECTOR_FP32, args.dimension, index_param=kinds[self.kind]())
        self.path = args.index + ".made"
        shutil.rmtree(self.path, ignore_errors=True)
        collection = z.create_and_open(self.path, z.CollectionSchema(name="rows", fields=fields, vectors=vector))
        for start in range(0, len(vectors), 1000):
            some = range(start, min(start + 1000, len(vectors)))
            statuses = collection.insert([
                z.Doc(id=str(row), vectors={"vector": vectors[row].tolist()},
                      fields=fields_of(args.ranks, row)) for row in some])
            assert all(status.ok() for status in statuses), statuses[0]
        collection.optimize()
        collection.flush()
        collection.close()

    def save(self, path):
        os.rename(self.path, path)

    def open(self, path, args):
        with contextlib.suppress(RuntimeError):  # It is initialized once in a process.
            self.zvec.init(log_level=self.zvec.LogLevel.ERROR, query_threads=1)
        self.collection = self.zvec.open(path, self.zvec.CollectionOption(read_only=True))

    def search(self, queries, k, ef, threads, rows=None):
        z = self.zvec
        if self.kind == "diskann":
            parameters = z.DiskAnnQueryParam(list_size=ef)
        elif self.kind == "rabitq":
            parameters = z.HnswRabitqQueryParam(ef=ef, is_using_refiner=True)
        else:
            parameters = z.HnswQueryParam(ef=ef, is_using_refiner=self.kind == "int8")
        condition = None if rows is None else f"{rows.field} < {rows.wanted}"
        found = []
        for query in queries:
            asked = z.Query(field_name="vector", vector=query.tolist(), param=parameters)
            found.append([int(hit.id) for hit in
                          self.collection.query(asked, topk=k, output_fields=[], filter=condition)])
        return padded(found, k)


def fields_of(ranks, row):
    return {name: int(values[row]) for name, values in ranks.items()}


def tree_seconds(root):
    """Processor time of a process and of all that it started."""
    parents, seconds = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as stat:
            parts = stat.read().rpartition(")")[2].split()
            parents[int(name)] = int(parts[1])
            seconds[int(name)] = (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    total = 0
    for process, spent in seconds.items():
        while process not in (root, 0):
            process = parents.get(process, 0)
        total += spent if process == root else 0
    return total


class ServedSide:
    """A server in a process of its own. Its processor time is what counts; that of its client is left out."""

    def make(self, vectors, args):
        self.path = args.index + ".made"
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)
        self.open(self.path, args)
        self.fill(vectors, args)

    def save(self, path):
        self.close()
        os.rename(self.path, path)

    def open(self, path, args):
        from vector_servers import Server

        self.server = Server(self.kind, os.path.dirname(sys.executable), path).__enter__()
        self.connect()

    def close(self):
        self.server.__exit__()

    def seconds(self):
        return tree_seconds(self.server.process.pid)


class Milvus(ServedSide):
    kind = "milvus"

    def connect(self):
        from pymilvus import MilvusClient

        self.client = MilvusClient(self.server.uri)
        if self.client.has_collection("bench"):
            self.client.load_collection("bench")

    def fill(self, vectors, args):
        from pymilvus import DataType

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=args.dimension)
        for name in args.ranks:
            schema.add_field(name, DataType.INT64)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="IP",
                        params={"M": args.m, "efConstruction": args.ef_construction})
        self.client.create_collection("bench", schema=schema, index_params=index, consistency_level="Strong")
        for start in range(0, len(vectors), 2000):
            some = range(start, min(start + 2000, len(vectors)))
            self.client.insert("bench", [{"id": row, "vector": vectors[row], **fields_of(args.ranks, row)}
                                         for row in some])
        self.client.flush("bench")

    def search(self, queries, k, ef, threads, rows=None):
        condition = "" if rows is None else f"{rows.field} < {rows.wanted}"
        found = []
        for start in range(0, len(queries), 100):
            some = self.client.search("bench", data=list(queries[start:start + 100]), limit=k, filter=condition,
                                      search_params={"params": {"ef": ef}})
            found += [[hit["id"] for hit in hits] for hits in some]
        return padded(found, k)


class Chroma(ServedSide):
    kind = "chroma"

    def connect(self):
        import chromadb

        settings = chromadb.config.Settings(anonymized_telemetry=False)
        self.client = chromadb.HttpClient("127.0.0.1", self.server.port, settings=settings)

    def fill(self, vectors, args):
        graph = {"space": "ip", "max_neighbors": args.m, "ef_construction": args.ef_construction}
        rows = self.client.create_collection("bench", configuration={"hnsw": graph}, embedding_function=None)
        for start in range(0, len(vectors), 5000):
            some = range(start, min(start + 5000, len(vectors)))
            ranks = [fields_of(args.ranks, row) for row in some] if args.ranks else None
            rows.add(ids=[str(row) for row in some], embeddings=vectors[start:start + 5000], metadatas=ranks)
        rows.query(query_embeddings=vectors[:1], n_results=1)  # What was put off is done.

    def set_ef(self, path, ef, args):
        """It is taken when the index is loaded."""
        self.client.get_collection("bench", embedding_function=None).modify(
            configuration={"hnsw": {"ef_search": ef}})
        self.close()
        self.open(path, args)
        self.client.get_collection("bench", embedding_function=None).query(
            query_embeddings=[[1.0] + [0.0] * (args.dimension - 1)], n_results=1)

    def search(self, queries, k, ef, threads, rows=None):
        collection = self.client.get_collection("bench", embedding_function=None)
        where = None if rows is None else {rows.field: {"$lt": rows.wanted}}
        found = []
        for start in range(0, len(queries), 100):
            found += collection.query(query_embeddings=queries[start:start + 100], n_results=k, where=where,
                                      include=["distances"])["ids"]
        return padded([[int(name) for name in names] for names in found], k)


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
    """The worst score of the k nearest allowed rows for each query."""

    def __init__(self, vectors, queries, counts, rows):
        import numpy as np

        self.vectors, self.queries, self.rows = vectors, queries, rows
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


def measure(side, name, truth, k, ef, threads, rows):
    served = isinstance(side, ServedSide)
    clock = side.seconds if served else time.process_time
    more = {} if rows is None else {"rows": rows}
    spent = []
    while not spent or (sum(spent) < SERVED_SECONDS and len(spent) < 50 if served else len(spent) < ROUNDS):
        begin = clock()
        found = side.search(truth.queries, k, ef, threads, **more)
        spent.append((clock() - begin) / threads)
    best = sum(spent) / len(spent) if served else min(spent)
    point = {"side": name, "ef": ef, "k": k, "threads": threads, "recall": round(truth.recall(found, k), 4),
             "qps": round(len(truth.queries) / max(best, 1e-3))}
    if threads == 1 and rows is None and not served:
        singles = []
        for query in truth.queries[:SINGLE_QUERIES]:
            begin = time.process_time()
            side.search(query[None], k, ef, 1)
            singles.append(time.process_time() - begin)
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
        truth = Truth(vectors, queries, counts, rows)
        for k in counts:
            for threads in map(int, args.threads.split(",")):
                for ef in [int(ef) for ef in args.ef.split(",") if int(ef) >= k or name == "faiss-flat"]:
                    if hasattr(side, "set_ef"):
                        side.set_ef(path, ef, args)
                    point = measure(side, name, truth, k, ef, threads, rows)
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
    for name, value in {"k": "10", "threads": "1", "ef": "96", "ranks": ""}.items():
        parser.add_argument(f"--{name}", default=value)
    parser.add_argument("--build-only", action="store_true", help="leave an index that is new, and end")
    args = parser.parse_args()
    run(args.side, args)


if __name__ == "__main__":
    main()
