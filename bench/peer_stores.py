# SPDX-License-Identifier: Apache-2.0
"""The other stores of bench/store.py, each behind the same calls, used as its own documentation shows it, with its
default index unless its name says otherwise. What is imported here is imported when it is measured."""

import pathlib

LIMIT = 10


class Peer:
    """Rows are numbers; a search answers with rows, best first, and fetches the text of the best one."""

    packages = []  # Distributions whose versions are stated.
    batch = 5000

    def __init__(self, folder, data):
        self.folder, self.data = pathlib.Path(folder), data

    def imports(self):
        raise NotImplementedError

    def create(self):
        """Makes an empty store and opens it."""

    def open(self):
        pass

    def insert(self, rows, vectors, texts, fields):
        raise NotImplementedError

    def settle(self):
        """What has to follow a bulk insert until it is kept and searches are as fast as they get."""

    def search(self, query, where=None, words=None):
        raise NotImplementedError

    def delete(self, rows):
        raise NotImplementedError

    def close(self):
        pass


class Chroma(Peer):
    packages = ["chromadb"]
    FILTERS = {
        "0.01%": {"author": "a0007"},
        "0.1%": {"score": {"$lt": 0.001}},
        "1%": {"year": 1950},
        "10%": {"year": {"$gte": 2016}},
        "50%": {"draft": False},
    }

    def imports(self):
        import chromadb

        self.module = chromadb

    def client(self):
        settings = self.module.config.Settings(anonymized_telemetry=False)
        return self.module.PersistentClient(str(self.folder), settings=settings)

    def create(self):
        self.collection = self.client().create_collection(
            "nodes", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def open(self):
        self.collection = self.client().get_collection("nodes", embedding_function=None)

    def insert(self, rows, vectors, texts, fields):
        self.collection.add([str(row) for row in rows], vectors, fields, texts)

    def search(self, query, where=None, words=None):
        found = self.collection.query([query], n_results=LIMIT, where=where, include=["documents", "distances"])
        return [int(row) for row in found["ids"][0]], (found["documents"][0] or [""])[0]

    def delete(self, rows):
        for start in range(0, len(rows), self.batch):
            self.collection.delete([str(row) for row in rows[start : start + self.batch]])


class MilvusLite(Peer):
    packages = ["milvus-lite", "pymilvus"]
    batch = 2000
    index_type = "AUTOINDEX"
    FILTERS = {
        "0.01%": 'author == "a0007"',
        "0.1%": "score < 0.001",
        "1%": "year == 1950",
        "10%": "year >= 2016",
        "50%": "draft == false",
    }

    def imports(self):
        import pymilvus

        self.module = pymilvus

    def client_of(self):
        self.folder.mkdir(exist_ok=True)
        self.client = self.module.MilvusClient(str(self.folder / "nodes.db"))

    def create(self):
        self.client_of()
        types = self.module.DataType
        schema = self.client.create_schema()
        schema.add_field("row", types.INT64, is_primary=True)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=384)
        schema.add_field("text", types.VARCHAR, max_length=65535)
        schema.add_field("year", types.INT64)
        schema.add_field("author", types.VARCHAR, max_length=64)
        schema.add_field("draft", types.BOOL)
        schema.add_field("score", types.DOUBLE)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type=self.index_type, metric_type="COSINE")
        self.client.create_collection("nodes", schema=schema, index_params=index)

    def open(self):
        self.client_of()
        self.client.load_collection("nodes")

    def insert(self, rows, vectors, texts, fields):
        columns = zip(rows, vectors.tolist(), texts, fields)
        self.client.insert("nodes", [{"row": row, "vector": v, "text": t, **f} for row, v, t, f in columns])

    def settle(self):
        self.client.flush("nodes")
        self.client.load_collection("nodes")

    def search(self, query, where=None, words=None):
        found = self.client.search("nodes", [query.tolist()], limit=LIMIT, filter=where or "", output_fields=["text"])
        return [hit["row"] for hit in found[0]], found[0][0]["entity"]["text"] if found[0] else ""

    def delete(self, rows):
        self.client.delete("nodes", ids=rows)

    def close(self):
        self.client.close()


class MilvusLiteFlat(MilvusLite):
    index_type = "FLAT"


class LlamaIndex(Peer):
    """The default store: everything in memory, persisted as JSON files as a whole."""

    packages = ["llama-index-core"]

    def imports(self):
        from llama_index.core import Settings, StorageContext, VectorStoreIndex, load_index_from_storage
        from llama_index.core.embeddings import MockEmbedding
        from llama_index.core.schema import NodeRelationship, QueryBundle, RelatedNodeInfo, TextNode

        self.context, self.index_of, self.load = StorageContext, VectorStoreIndex, load_index_from_storage
        self.node, self.bundle = TextNode, QueryBundle
        self.source, self.related = NodeRelationship.SOURCE, RelatedNodeInfo
        Settings.embed_model = MockEmbedding(embed_dim=384)
        Settings.llm = None

    def nodes(self, rows, vectors, texts, fields):
        return [
            self.node(
                id_=str(row),
                text=text,
                embedding=vector,
                metadata=field,
                relationships={self.source: self.related(node_id=f"file-{row // 10}")},
            )
            for row, vector, text, field in zip(rows, vectors.tolist(), texts, fields)
        ]

    def create(self):
        self.index = self.index_of([])

    def open(self):
        self.index = self.load(self.context.from_defaults(persist_dir=str(self.folder)))

    def insert(self, rows, vectors, texts, fields):
        self.index.insert_nodes(self.nodes(rows, vectors, texts, fields))
        if len(rows) == 1:
            self.settle()  # Nothing is kept before all of it is written again.

    def settle(self):
        self.index.storage_context.persist(str(self.folder))

    def search(self, query, where=None, words=None):
        retriever = self.index.as_retriever(similarity_top_k=LIMIT)
        found = retriever.retrieve(self.bundle("question", embedding=query.tolist()))
        return [int(hit.node.node_id) for hit in found], found[0].node.text

    def delete(self, rows):
        self.index.delete_nodes([str(row) for row in rows], delete_from_docstore=True)
        self.settle()


class Embed:
    """LazyLLM's embed: the vector that belongs to a text is known by the text's first word."""

    batch_size = 1024

    def __init__(self, data):
        self.data = data

    def one(self, text):
        from store_data import row_of

        # Metadata and an empty line stand before a node's text.
        word = text.rpartition("\n\n")[2].split(None, 1)[0]
        if word[0] == "?":
            return self.data.queries[int(word[1:])].tolist()
        # Another word is the text that the store probes the dimension with.
        return self.data.vectors[row_of(word) if word[0] == "q" else 0].tolist()

    def __call__(self, text, **_):
        return [self.one(t) for t in text] if isinstance(text, list) else self.one(text)


def split_lines(text):
    return [line for line in text.split("\n") if line]


class LazyMap(Peer):
    """`map`, the default: it keeps nothing, so that every start reads and embeds again. Here the embedding is free."""

    packages = ["lazyllm"]

    def imports(self):
        import tiktoken

        # The built-in node groups, which are not used here, would fetch their vocabulary from the network.
        byte_ranks = {bytes([i]): i for i in range(256)}
        encoding = tiktoken.Encoding("bytes", pat_str=r"[\s\S]", mergeable_ranks=byte_ranks, special_tokens={})
        tiktoken.get_encoding = lambda _: encoding
        from lazyllm.tools.rag import Document, Retriever

        self.document, self.retriever = Document, Retriever

    def write_files(self):
        docs = self.folder / "docs"
        docs.mkdir(parents=True)
        # Few large files, since each costs it a round of its own.
        for start in range(0, self.data.rows, 1000):
            texts = self.data.texts(start, min(start + 1000, self.data.rows))
            (docs / f"file-{start:08d}.txt").write_text("\n".join(texts))

    def open_document(self, dataset_path, store_conf):
        document = self.document(
            dataset_path=dataset_path, embed=Embed(self.data), manager=False, store_conf=store_conf
        )
        document.create_node_group(name="lines", transform=split_lines)
        self.retrieve = self.retriever(document, "lines", "cosine", topk=LIMIT)

    def insert_all(self):
        self.write_files()

    def open(self):
        self.open_document(str(self.folder / "docs"), {"type": "map"})

    def search(self, query, where=None, words=None):
        from store_data import row_of

        number = next(i for i in range(len(self.data.queries)) if (self.data.queries[i] == query).all())
        nodes = self.retrieve(f"?{number}")
        return [row_of(node.text.split(None, 1)[0]) for node in nodes], nodes[0].text


class LazyMilvus(LazyMap):
    """`milvus` on Milvus Lite. Opened again without dataset_path, or else it would take in all files once more."""

    packages = ["lazyllm", "pymilvus", "milvus-lite"]

    def conf(self):
        uri = str(self.folder / "milvus" / "nodes.db")
        index = {"index_type": "FLAT", "metric_type": "COSINE", "params": {}}
        return {"type": "milvus", "kwargs": {"uri": uri, "index_kwargs": index}}

    def insert_all(self):
        self.write_files()
        (self.folder / "milvus").mkdir()
        self.open_document(str(self.folder / "docs"), self.conf())
        self.search(self.data.queries[0])

    def open(self):
        self.open_document(None, self.conf())


class Usearch(Peer):
    """Vectors only: a hit has no text."""

    packages = ["usearch"]

    def imports(self):
        import usearch.index

        self.module = usearch.index

    def create(self):
        self.folder.mkdir()
        self.index = self.module.Index(ndim=384, metric="cos", dtype="f32")

    def open(self):
        self.index = self.module.Index.restore(str(self.folder / "index"), view=True)

    def insert(self, rows, vectors, texts, fields):
        import numpy as np

        self.index.add(np.array(rows), vectors)

    def settle(self):
        self.index.save(str(self.folder / "index"))

    def search(self, query, where=None, words=None):
        return [int(row) for row in self.index.search(query, LIMIT).keys], ""


class Tantivy(Peer):
    """Words only."""

    packages = ["tantivy"]

    def imports(self):
        import tantivy

        self.module = tantivy

    def create(self):
        self.folder.mkdir()
        builder = self.module.SchemaBuilder()
        builder.add_integer_field("row", stored=True)
        builder.add_text_field("text", stored=True)
        self.index = self.module.Index(builder.build(), str(self.folder))
        self.writer = self.index.writer(256 << 20)

    def open(self):
        self.index = self.module.Index.open(str(self.folder))
        self.searcher = self.index.searcher()

    def insert(self, rows, vectors, texts, fields):
        for row, text in zip(rows, texts):
            self.writer.add_document(self.module.Document(row=row, text=text))

    def settle(self):
        self.writer.commit()
        self.writer.wait_merging_threads()

    def search(self, query, where=None, words=None):
        found = self.searcher.search(self.index.parse_query(words, ["text"]), LIMIT).hits
        documents = [self.searcher.doc(address) for _, address in found]
        return [document["row"][0] for document in documents], documents[0]["text"][0]


class LanceFlat(Peer):
    packages = ["lancedb", "pyarrow"]
    FILTERS = {
        "0.01%": "author = 'a0007'",
        "0.1%": "score < 0.001",
        "1%": "year = 1950",
        "10%": "year >= 2016",
        "50%": "draft = false",
    }

    def imports(self):
        import lancedb
        import pyarrow

        self.module, self.arrow = lancedb, pyarrow

    def create(self):
        arrow = self.arrow
        columns = {
            "row": arrow.int64(),
            "vector": arrow.list_(arrow.float32(), 384),
            "text": arrow.string(),
            "year": arrow.int64(),
            "author": arrow.string(),
            "draft": arrow.bool_(),
            "score": arrow.float64(),
        }
        self.schema = arrow.schema(list(columns.items()))
        self.table = self.module.connect(str(self.folder)).create_table("nodes", schema=self.schema)

    def open(self):
        self.table = self.module.connect(str(self.folder)).open_table("nodes")
        self.schema = self.table.schema

    def insert(self, rows, vectors, texts, fields):
        arrow = self.arrow
        flat = arrow.array(vectors.ravel())
        columns = [arrow.array(rows), arrow.FixedSizeListArray.from_arrays(flat, 384), arrow.array(texts)]
        columns += [arrow.array([field[name] for field in fields]) for name in ("year", "author", "draft", "score")]
        self.table.add(arrow.Table.from_arrays(columns, schema=self.schema))

    def settle(self):
        self.table.optimize()
        for name in ("year", "author", "draft", "score"):
            kind = "BITMAP" if name == "draft" else "BTREE"
            self.table.create_scalar_index(name, index_type=kind)

    def search(self, query, where=None, words=None):
        search = self.table.search(query).distance_type("cosine").limit(LIMIT).select(["row", "text"])
        found = (search.where(where, prefilter=True) if where else search).to_list()
        return [hit["row"] for hit in found], found[0]["text"] if found else ""

    def delete(self, rows):
        self.table.delete(f"row in ({', '.join(str(row) for row in rows)})")


class Lance(LanceFlat):
    """With the index that create_index makes by default, IVF_PQ."""

    def settle(self):
        super().settle()
        self.table.create_index(metric="cosine", vector_column_name="vector")


class ZvecHnsw(Peer):
    packages = ["zvec"]
    batch = 1000
    flat = False
    FILTERS = {
        "0.01%": "author = 'a0007'",
        "0.1%": "score < 0.001",
        "1%": "year = 1950",
        "10%": "year >= 2016",
        "50%": "draft = false",
    }

    def imports(self):
        import zvec

        self.module = zvec
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def create(self):
        z = self.module
        kind = z.FlatIndexParam if self.flat else z.HnswIndexParam
        fields = {"text": z.DataType.STRING, "year": z.DataType.INT64, "author": z.DataType.STRING}
        fields |= {"draft": z.DataType.BOOL, "score": z.DataType.DOUBLE}
        schema = z.CollectionSchema(
            name="nodes",
            fields=[
                z.FieldSchema(
                    name, type_, index_param=None if name == "text" else z.InvertIndexParam(name in ("year", "score"))
                )
                for name, type_ in fields.items()
            ],
            vectors=z.VectorSchema(
                "vector", z.DataType.VECTOR_FP32, 384, index_param=kind(metric_type=z.MetricType.COSINE)
            ),
        )
        self.collection = z.create_and_open(str(self.folder), schema)

    def open(self):
        self.collection = self.module.open(str(self.folder))

    def insert(self, rows, vectors, texts, fields):
        doc = self.module.Doc
        columns = zip(rows, vectors.tolist(), texts, fields)
        statuses = self.collection.insert(
            [doc(id=str(row), vectors={"vector": v}, fields={"text": t, **f}) for row, v, t, f in columns]
        )
        assert all(status.ok() for status in statuses), statuses[0]

    def settle(self):
        self.collection.optimize()
        self.collection.flush()

    def search(self, query, where=None, words=None):
        asked = self.module.Query(field_name="vector", vector=query.tolist())
        found = self.collection.query(asked, topk=LIMIT, filter=where, output_fields=["text"])
        return [int(hit.id) for hit in found], found[0].field("text") if found else ""

    def delete(self, rows):
        for start in range(0, len(rows), self.batch):
            self.collection.delete([str(row) for row in rows[start : start + self.batch]])


class ZvecFlat(ZvecHnsw):
    flat = True


PEERS = {
    "chroma": Chroma,
    "milvus-lite": MilvusLite,
    "milvus-lite-flat": MilvusLiteFlat,
    "llamaindex": LlamaIndex,
    "lazyllm-map": LazyMap,
    "lazyllm-milvus": LazyMilvus,
    "usearch": Usearch,
    "tantivy": Tantivy,
    "lancedb": Lance,
    "lancedb-flat": LanceFlat,
    "zvec": ZvecHnsw,
    "zvec-flat": ZvecFlat,
}
