# SPDX-License-Identifier: Apache-2.0
"""What keeps fields beside the vectors, in this process (Zvec) or as a server (Milvus, Chroma), for
bench/vector_libraries.py: classes as those of bench/vector_indexes.py."""
import contextlib
import os
import shutil
import sys

from vector_indexes import padded, shared_out


class Zvec:
    """Takes one query at a time; a filter is a condition on an indexed field. It would have 50 links and efConstruction
    500 by default, of the bench it gets those of the other graphs; codes are refined by the vectors, as it advises."""

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

        def some(part):
            found = []
            for query in part:
                asked = z.Query(field_name="vector", vector=query.tolist(), param=parameters)
                found.append([int(hit.id) for hit in
                              self.collection.query(asked, topk=k, output_fields=[], filter=condition)])
            return padded(found, k)

        return shared_out(queries, threads, some)


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

        def some(part):
            found = []
            for start in range(0, len(part), 100):
                batch = self.client.search("bench", data=list(part[start:start + 100]), limit=k, filter=condition,
                                           search_params={"params": {"ef": ef}})
                found += [[hit["id"] for hit in hits] for hits in batch]
            return padded(found, k)

        return shared_out(queries, threads, some)


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

        def some(part):
            found = []
            for start in range(0, len(part), 100):
                found += collection.query(query_embeddings=part[start:start + 100], n_results=k, where=where,
                                          include=["distances"])["ids"]
            return padded([[int(name) for name in names] for names in found], k)

        return shared_out(queries, threads, some)
