# SPDX-License-Identifier: Apache-2.0
"""The libraries of one index in memory that bench/vector_libraries.py compares with: each a class that makes, saves,
opens and searches an index. A library is imported where it is used, since each is measured in a process of its own."""
import concurrent.futures
import json
import math


def shared_out(queries, threads, search):
    """For what takes one query at a time: what `search` finds, each of the threads with its part of the queries."""
    import numpy as np

    if threads == 1:
        return search(queries)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(search, np.array_split(queries, threads))))


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
    """Its own defaults are connectivity 16 and expansion_add 128, those of the bench. Codes of 8 bits are of cosines,
    since it scales each vector to the range of a code."""

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
    exactly as are wanted, as ours does: of 4, 8, 16 and 32 times, 8 is the fastest at recall 0.95 with fast scan, and
    with 1-bit codes none is faster by more than a few per cent. Queries are coded in 8 bits, Faiss' default."""

    KINDS = {"flat": ("Flat", 0), "sq8": ("SQ8", 0), "pq": ("PQ{parts}", 8), "pq-fastscan": ("PQ{halves}x4fs", 8),
             "rabitq": ("RaBitQ", 8)}

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
    """HGraph over 8-bit codes, and the vectors for the end, with 32 links as in the example of its own documentation
    (docs/hgraph_params.md: "sq8", reorder by "fp32"). Its Python takes one query at a time and no filter."""

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
        return shared_out(queries, threads, lambda part: padded(
            [ids_of(self.index.knn_search(query, k, parameters)) for query in part], k))
