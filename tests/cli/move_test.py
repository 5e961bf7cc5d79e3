# SPDX-License-Identifier: Apache-2.0
"""Goal: collections of LlamaIndex, LazyLLM, a real Chroma and a real Milvus come in and are found; another model goes
in and comes back.

Run by ctest: move_test.py BINARY SOURCE_DIR SERVERS [unittest arguments]. Models are the real ones.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import command_line
from command_line import BINARY, SOURCE, free_port, run

SERVERS = pathlib.Path(sys.argv[3]).resolve()
STORAGE = SOURCE / "tests/golden/llamaindex/storage"
LAZYLLM = SOURCE / "tests/golden/lazyllm/stores"
MINILM = "all-minilm-l6-v2"

# Puts the nodes of the LlamaIndex fixture into collections as other programs would: the text that was embedded as the
# document, the same in the metadata, and only a part of it.
MAKE_COLLECTIONS = """
import chromadb, json, pathlib, sys
port, storage = int(sys.argv[1]), pathlib.Path(sys.argv[2])
nodes = json.loads((storage / "docstore.json").read_text())["docstore/data"]
vectors = json.loads((storage / "default__vector_store.json").read_text())["embedding_dict"]
client = chromadb.HttpClient(host="127.0.0.1", port=port)
for name in ("documents", "metadata", "parts"):
    collection = client.create_collection(name, metadata={"hnsw:space": "cosine"}, embedding_function=None)
    for id, node in nodes.items():
        data = node["__data__"]
        embedded = {k: v for k, v in data["metadata"].items() if k not in data["excluded_embed_metadata_keys"]}
        text = "\\n".join(f"{k}: {v}" for k, v in embedded.items()) + "\\n\\n" + data["text"]
        metadata = {k: v for k, v in data["metadata"].items() if isinstance(v, (str, int, float, bool))}
        if name == "metadata":
            metadata["page_content"] = text
        documents = {"documents": [text if name == "documents" else data["text"][:30]]} if name != "metadata" else {}
        collection.add(ids=[id], embeddings=[vectors[id]], metadatas=[metadata], **documents)
    print(collection.count())
"""

# The same into Milvus: as LlamaIndex's MilvusVectorStore writes them, and in a schema that somebody thought of.
MAKE_MILVUS = """
import json, pathlib, sys
from pymilvus import DataType, MilvusClient
port, storage = int(sys.argv[1]), pathlib.Path(sys.argv[2])
nodes = json.loads((storage / "docstore.json").read_text())["docstore/data"]
vectors = json.loads((storage / "default__vector_store.json").read_text())["embedding_dict"]
client = MilvusClient(f"http://127.0.0.1:{port}")
def collection(name, dynamic, columns, vector_columns):
    schema = client.create_schema(enable_dynamic_field=dynamic)
    for column, kind, options in columns:
        schema.add_field(column, kind, **options)
    index = client.prepare_index_params()
    for column in vector_columns:
        index.add_index(column, index_type="FLAT", metric_type="COSINE")
    client.create_collection(name, schema=schema, index_params=index)
varchar, dense = DataType.VARCHAR, (DataType.FLOAT_VECTOR, {"dim": 384})
collection("llamaindex", True, [("id", varchar, {"max_length": 65535, "is_primary": True}), ("embedding", *dense),
    ("doc_id", varchar, {"max_length": 65535}), ("text", varchar, {"max_length": 65535})], ["embedding"])
rows = []
for id, node in nodes.items():
    data = dict(node["__data__"])
    row = dict(data["metadata"])
    row["_node_content"] = json.dumps(data | {"text": "", "embedding": None}, ensure_ascii=False)
    row |= {"_node_type": "TextNode", "doc_id": data["relationships"]["1"]["node_id"]}
    row |= {"document_id": row["doc_id"], "ref_doc_id": row["doc_id"]}
    rows.append(row | {"id": id, "text": data["text"], "embedding": vectors[id]})
client.insert("llamaindex", rows)
collection("own", False, [("pk", DataType.INT64, {"is_primary": True}), ("chunk", varchar, {"max_length": 65535}),
    ("v", *dense), ("second", DataType.FLOAT_VECTOR, {"dim": 4}), ("name", varchar, {"max_length": 64}),
    ("year", DataType.INT32, {"nullable": True}), ("price", DataType.FLOAT, {"nullable": True}),
    ("tags", DataType.ARRAY, {"element_type": varchar, "max_capacity": 8, "max_length": 99, "nullable": True}),
    ("info", DataType.JSON, {})], ["v", "second"])
rows = []
for pk, (id, node) in enumerate(nodes.items()):
    data = node["__data__"]
    metadata = data["metadata"]
    embedded = {k: v for k, v in metadata.items() if k not in data["excluded_embed_metadata_keys"]}
    rows.append({"pk": pk - 3, "chunk": "\\n".join(f"{k}: {v}" for k, v in embedded.items()) + "\\n\\n" + data["text"],
        "v": vectors[id], "second": [1, 2, 3, pk], "name": id, "year": metadata["year"], "price": metadata.get("price"),
        "tags": metadata.get("tags"), "info": {"path": metadata["file_path"], "published": metadata["published"]}})
client.insert("own", rows)
# More rows than a page, with keys that are no numbers.
collection("many", False, [("id", varchar, {"max_length": 99, "is_primary": True}), ("vector", *dense),
    ("text", varchar, {"max_length": 65535})], ["vector"])
same = {"vector": rows[0]["v"], "text": rows[0]["chunk"]}
client.insert("many", [same | {"id": f"q\\"{i * 7919 % 2500}"} for i in range(2500)])
print(client.get_collection_stats("many")["row_count"])
"""


def checked(result, name):
    """The JSON object of a command that succeeded."""
    assert result.returncode == 0, result.stdout + result.stderr
    return command_line.checked(result, name)


def hits(kb, question, *more):
    result = checked(run("search", question, "--kb", kb, "--json", *more), "search")
    return [(hit["file"], hit["text"]) for hit in result["hits"]]


class Move(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_move_"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.kb = self.folder / "kb"

    def start_chroma(self):
        for _ in range(3):
            port = free_port()
            command = [SERVERS / "bin/chroma", "run", "--path", self.folder / "chroma", "--host", "127.0.0.1"]
            server = subprocess.Popen(
                [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            for _ in range(600):
                if server.poll() is not None:
                    break
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=2).read()
                    return port, server
                except OSError:
                    time.sleep(0.1)
        self.fail("Chroma does not start")

    def start_milvus(self):
        for _ in range(3):
            port = free_port()
            command = [SERVERS / "bin/milvus-lite", "server", "--data-dir", self.folder / "milvus"]
            server = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(port)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            for _ in range(600):
                if server.poll() is not None:
                    break
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        return port, server
                time.sleep(0.1)
        self.fail("Milvus Lite does not start")

    def check_library(self, kb):
        self.assertEqual(hits(kb, "What does a replacement for a lost card cost?")[0][0], "en/borrowing.md")
        self.assertEqual(hits(kb, "借书证丢了怎么办？", "--route", "vector")[0][0], "zh/借阅指南.md")
        filtered = hits(kb, "card", "--filter", 'year < 2024 and published >= "2023-01-01"')
        self.assertEqual({file for file, _ in filtered}, {"en/makerspace.md"})

    def test_llamaindex_comes_in_with_its_fields(self):
        source = f"llamaindex:{STORAGE}"
        report = checked(run("import", "--from", source, "--kb", self.kb, "--json"), "import")
        self.assertEqual((report["files_imported"], report["nodes_imported"]), (3, 8))
        self.assertGreaterEqual(report["cosine_min"], 0.99)
        types = {field["name"]: field["type"] for field in report["fields"]}
        self.assertEqual(
            types, {"year": "int", "draft": "bool", "published": "datetime", "price": "float", "tags": "list"}
        )
        self.check_library(self.kb)
        again = checked(run("import", "--from", source, "--kb", self.kb, "--json"), "import")
        self.assertEqual((again["files_imported"], again["files_reused"]), (0, 3))

    def test_another_model_is_refused_with_the_cosine_and_leaves_nothing(self):
        result = run("import", "--from", f"llamaindex:{STORAGE}", "--kb", self.kb, "--model", MINILM)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"the least cosine is -?0\.\d+")
        self.assertIn("remedy: declare the model", result.stderr)
        self.assertFalse(self.kb.exists())
        for source, word in (
            ("llamaindex:/nowhere", "docstore.json"),
            ("word:x", "word:x"),
            ("chroma:x", "http"),
            ("milvus:x", "names no collection"),
            ("milvus:/nowhere/x", "/nowhere"),
            ("lazyllm:/nowhere", "name a file with the store_conf"),
            ("lazyllm:{type: elasticsearch}", "elasticsearch"),
        ):
            result = run("import", "--from", source, "--kb", self.kb)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(word, result.stderr)

    def test_collections_of_a_real_chroma_come_in(self):
        port, server = self.start_chroma()
        made = subprocess.run(
            [SERVERS / "bin/python", "-c", MAKE_COLLECTIONS, str(port), STORAGE],
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(made.stdout.split(), ["8", "8", "8"], made.stderr)
        source = f"chroma:http://127.0.0.1:{port}/"
        report = checked(run("import", "--from", source + "documents", "--kb", self.kb, "--json"), "import")
        self.assertEqual((report["files_imported"], report["nodes_imported"]), (3, 8))
        self.assertGreaterEqual(report["cosine_min"], 0.99)
        self.check_library(self.kb)
        mapped = self.folder / "mapped"
        result = run("import", "--from", source + "metadata", "--kb", mapped)
        self.assertEqual(result.returncode, 0, "page_content is looked at without being named")
        result = run("import", "--from", source + "metadata", "--kb", mapped, "--map", "text=page_content")
        self.assertIn("3 there already", result.stdout, result.stderr)
        self.assertEqual(hits(mapped, "lost card")[0], hits(self.kb, "lost card")[0])
        # Vectors that were made of other texts than those that the collection has.
        result = run("import", "--from", source + "parts", "--kb", self.folder / "parts")
        self.assertRegex(result.stderr, r"the least cosine is 0\.\d+")
        self.assertFalse((self.folder / "parts").exists())
        self.assertIn("404", run("import", "--from", source + "nothing", "--kb", self.folder / "none").stderr)
        server.kill()
        server.wait()
        result = run("import", "--from", source + "documents", "--kb", self.folder / "none")
        self.assertIn("documents", result.stderr)
        self.assertIn("remedy:", result.stderr)

    def test_collections_of_a_real_milvus_come_in(self):
        port, server = self.start_milvus()
        made = subprocess.run(
            [SERVERS / "bin/python", "-c", MAKE_MILVUS, str(port), STORAGE], capture_output=True, text=True, timeout=300
        )
        self.assertEqual(made.stdout.split(), ["2500"], made.stderr)
        source = f"milvus:http://127.0.0.1:{port}/"
        report = checked(run("import", "--from", source + "llamaindex", "--kb", self.kb, "--json"), "import")
        self.assertEqual((report["files_imported"], report["nodes_imported"]), (3, 8))
        self.assertGreaterEqual(report["cosine_min"], 0.99)
        self.check_library(self.kb)
        own = ("import", "--from", source + "own", "--kb", self.folder / "own")
        self.assertIn("several columns of vectors: v, second", run(*own).stderr)
        self.assertIn("no column w", run(*own, "--map", "vector=w").stderr)
        self.assertIn("--map text=KEY", run(*own, "--map", "vector=v").stderr)
        self.assertIn("dimension 4", run(*own, "--map", "vector=second,text=chunk").stderr)
        mapped = "vector=v,text=chunk,source=path,id=name,published=published"
        report = checked(run(*own, "--map", mapped, "--json"), "import")
        types = {field["name"]: field["type"] for field in report["fields"]}
        expected = {"year": "int", "price": "float", "tags": "list", "published": "datetime", "pk": None, "name": None}
        self.assertEqual(types, {name: type for name, type in expected.items() if type})
        self.check_library(self.folder / "own")
        many = self.folder / "many"
        report = checked(run("import", "--from", source + "many", "--kb", many, "--json"), "import")
        self.assertEqual((report["files_imported"], report["nodes_imported"]), (2500, 2500))
        self.assertIn("many, own", run("import", "--from", source + "x", "--kb", self.folder / "none").stderr)
        server.terminate()
        server.wait()
        # The folder that the server had, by itself.
        environment = {"PATH": f"{SERVERS / 'bin'}:{os.environ['PATH']}"}
        local = ("import", "--from", f"milvus:{self.folder / 'milvus'}/llamaindex", "--kb", self.folder / "local")
        report = checked(run(*local, "--json", environment=environment), "import")
        self.assertEqual(report["nodes_imported"], 8)
        result = run("import", "--from", source + "own", "--kb", self.folder / "none")
        self.assertIn(f"milvus http://127.0.0.1:{port}", result.stderr)
        self.assertIn("remedy:", result.stderr)
        self.assertFalse((self.folder / "none").exists())

    def test_what_lazyllm_keeps_comes_in(self):
        conf = self.folder / "store_conf.json"
        conf.write_text(json.dumps({"type": "milvus", "kwargs": {"uri": str(LAZYLLM / "milvus.db")}}))
        report = checked(run("import", "--from", f"lazyllm:{conf}", "--kb", self.kb, "--json"), "import")
        self.assertEqual((report["files_imported"], report["nodes_imported"]), (2, 17))
        self.assertGreaterEqual(report["cosine_min"], 0.99)
        question = "What does a replacement for a lost card cost?"
        self.assertIn("replacement costs 3 euros", hits(self.kb, question, "--route", "vector")[0][1])
        self.assertEqual(hits(self.kb, "借书证丢了怎么办？", "--route", "vector")[0][0], "zh/借阅指南.md")
        # The store map keeps no vectors: they are made.
        text = "{'type': 'map', 'kwargs': {'uri': '" + str(LAZYLLM / "map.db") + "'}}"
        embedded = ("import", "--from", f"lazyllm:{text}", "--kb", self.folder / "map")
        self.assertIn("several node groups: block, title", run(*embedded).stderr)
        report = checked(run(*embedded, "--map", "group=block", "--json"), "import")
        self.assertEqual([warning["code"] for warning in report["warnings"]], ["embedded"])
        found = hits(self.folder / "map", question, "--route", "vector")
        self.assertIn("replacement costs 3 euros", found[0][1])
        again = checked(run(*embedded, "--map", "group=block", "--json"), "import")
        self.assertEqual((again["files_imported"], again["files_reused"]), (0, 2))

    def test_another_model_and_back(self):
        question = "How much does a replacement for a lost card cost?"
        self.assertEqual(run("ingest", SOURCE / "examples/documents", "--kb", self.kb).returncode, 0)
        before = checked(run("stats", "--kb", self.kb, "--json"), "stats")
        first = hits(self.kb, question, "--route", "vector")
        report = checked(run("reembed", "--model", MINILM, "--kb", self.kb, "--json", "--force"), "reembed")
        self.assertEqual((report["model_before"], report["model"]), ("multilingual-e5-small", MINILM))
        self.assertEqual(report["nodes_embedded"], before["nodes"])
        self.assertGreater(report["recall_before"], 0.8)
        now = checked(run("stats", "--kb", self.kb, "--json"), "stats")
        self.assertEqual((now["model"], now["nodes"], now["uuid"]), (MINILM, before["nodes"], before["uuid"]))
        self.assertEqual(hits(self.kb, question, "--route", "vector")[0][0], "en/borrowing.md")
        self.assertEqual(run("verify", "--kb", self.kb).returncode, 0)
        again = run("reembed", "--model", MINILM, "--kb", self.kb)
        self.assertIn("already", again.stderr)
        back = checked(run("reembed", "--undo", "--kb", self.kb, "--json"), "reembed")
        self.assertEqual(back["nodes_embedded"], 0)
        self.assertEqual(hits(self.kb, question, "--route", "vector"), first)
        self.assertEqual(run("verify", "--kb", self.kb).returncode, 0)
        forth = checked(run("reembed", "--undo", "--kb", self.kb, "--json"), "reembed")
        self.assertEqual((forth["model"], forth["nodes_embedded"]), (MINILM, 0))

    def test_reembedding_that_is_killed_changes_nothing_and_goes_on(self):
        self.assertEqual(run("ingest", SOURCE / "examples/documents", "--kb", self.kb).returncode, 0)
        before = checked(run("stats", "--kb", self.kb, "--json"), "stats")
        for delay in (0.05, 0.2, 0.5):
            process = subprocess.Popen(
                [BINARY, "reembed", "--model", MINILM, "--kb", self.kb, "--force"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            now = checked(run("stats", "--kb", self.kb, "--json"), "stats")
            self.assertEqual(now["nodes"], before["nodes"])
            self.assertEqual(run("verify", "--kb", self.kb).returncode, 0)
            self.assertEqual(len(hits(self.kb, "card", "--route", "vector")), 10)
            if now["model"] == MINILM:
                return  # It was done before the kill came.
        report = checked(run("reembed", "--model", MINILM, "--kb", self.kb, "--force", "--json"), "reembed")
        self.assertEqual(report["nodes"], before["nodes"])
        self.assertEqual(run("reembed", "--kb", self.kb).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:], verbosity=2)
