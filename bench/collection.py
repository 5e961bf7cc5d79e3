#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ragtime's client of Milvus or Chroma beside the server's own in Python, on one server that it starts and stops.

usage: PYTHON collection.py SERVER BUILD [--rows N] [--queries N] [--pairs N] [--batch N] [--results FILE]
SERVER is milvus (a Milvus Lite) or chroma. PYTHON is that of RAGTIME_SERVERS (tools/setup.sh --dev), BUILD a build
folder with bench/collection_bench and bench/store_generate. The two clients take turns; each puts the same generated
rows into a new collection with the same index, asks for one row so that whatever the server put off is done, and
searches. Prints one line of JSON a run and then the median of the ratios with their spread. FILE keeps the lines; the
ratios are of all that it holds for SERVER, so that pairs can be run a few at a time.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

from start import machine
from store_data import DIMENSION, Data
from vector_servers import Server

NAME = "peer_bench"  # Of the collection of the server's own client.


class Milvus:
    client, packages, batch = "pymilvus", ["milvus-lite", "pymilvus"], 2000

    def __init__(self, uri):
        from pymilvus import DataType, MilvusClient

        self.types, self.server = DataType, MilvusClient(uri)

    def create(self):
        self.drop()
        schema = self.server.create_schema(auto_id=False)
        schema.add_field("id", self.types.INT64, is_primary=True)
        schema.add_field("vector", self.types.FLOAT_VECTOR, dim=DIMENSION)
        schema.add_field("text", self.types.VARCHAR, max_length=65535)
        schema.add_field("payload", self.types.VARCHAR, max_length=65535)
        schema.add_field("year", self.types.INT64, nullable=True)
        index = self.server.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="COSINE")
        self.server.create_collection(NAME, schema=schema, index_params=index, consistency_level="Strong")

    def rows(self, data):
        values = zip(data.vectors, data.texts(0, data.rows), data.fields())
        return [
            {"id": i + 1, "vector": vector, "text": text, "payload": "{}", "year": fields["year"]}
            for i, (vector, text, fields) in enumerate(values)
        ]

    def put(self, rows):
        self.server.upsert(NAME, rows)

    def search(self, query, filtered):
        condition = "year >= 2016" if filtered else ""
        return self.server.search(NAME, data=[query], limit=10, filter=condition, consistency_level="Strong")[0]

    def drop(self):
        self.server.drop_collection(NAME)


class Chroma:
    client, packages, batch = "chromadb", ["chromadb"], 5000

    def __init__(self, uri):
        import chromadb

        settings = chromadb.config.Settings(anonymized_telemetry=False)
        self.server = chromadb.HttpClient("127.0.0.1", int(uri.rpartition(":")[2]), settings=settings)

    def create(self):
        if NAME in [collection.name for collection in self.server.list_collections()]:
            self.drop()
        # Vectors of length 1 by inner product, as Ragtime's client has them.
        configuration = {"hnsw": {"space": "ip"}}
        self.collection = self.server.create_collection(NAME, configuration=configuration, embedding_function=None)

    def rows(self, data):
        values = zip(data.vectors, data.texts(0, data.rows), data.fields())
        return [
            (str(i + 1), vector, {"year": fields["year"], "payload": "{}"}, text)
            for i, (vector, text, fields) in enumerate(values)
        ]

    def put(self, rows):
        ids, vectors, metadatas, documents = zip(*rows)
        self.collection.upsert(list(ids), list(vectors), list(metadatas), list(documents))

    def search(self, query, filtered):
        where = {"year": {"$gte": 2016}} if filtered else None
        return self.collection.query([query], n_results=10, where=where, include=["distances"])["ids"][0]

    def drop(self):
        self.server.delete_collection(NAME)


SERVERS = {"milvus": Milvus, "chroma": Chroma}


def search(peer, queries, filtered):
    times = []
    for query in queries:
        start = time.perf_counter()
        hits = peer.search(query, filtered)
        times.append((time.perf_counter() - start) * 1000)
        if len(hits) != 10:
            sys.exit("a search found less than 10 rows")
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def run_peer(peer, data, options):
    peer.create()
    rows = peer.rows(data)
    queries = data.queries[: options.queries]
    batch = options.batch or peer.batch
    start = time.perf_counter()
    for first in range(0, len(rows), batch):
        peer.put(rows[first : first + batch])
    put = time.perf_counter() - start
    peer.search(queries[0], False)
    ready = time.perf_counter() - start
    result = {"rows": options.rows, "put_rows_per_s": round(options.rows / put)}
    result["ready_rows_per_s"] = round(options.rows / ready)
    result["search_p50_ms"], result["search_p99_ms"] = search(peer, queries, False)
    result["filtered_p50_ms"], result["filtered_p99_ms"] = search(peer, queries, True)
    peer.drop()
    return result


def run_ragtime(uri, data, options):
    arguments = [options.build / "bench" / "collection_bench", options.server, uri]
    arguments += [data.folder, options.rows, options.queries]
    done = subprocess.run(map(str, arguments), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"collection_bench: {done.stderr}")
    return json.loads(done.stdout)


def measure(options, write):
    kind = SERVERS[options.server]
    with tempfile.TemporaryDirectory() as folder:
        generated = pathlib.Path(folder) / "data"
        subprocess.run([options.build / "bench" / "store_generate", "make", generated, str(options.rows)], check=True)
        data = Data(generated, options.rows)
        with Server(options.server, pathlib.Path(sys.executable).parent, pathlib.Path(folder) / "server") as server:
            peer = kind(server.uri)
            for _ in range(options.pairs):
                write({"client": "ragtime"} | run_ragtime(server.uri, data, options))
                write({"client": kind.client} | run_peer(peer, data, options))


def report(server, lines):
    kind = SERVERS[server]
    versions = ", ".join(f"{name} {version(name)}" for name in kind.packages)
    print(f"machine: {machine()}; {versions}, {lines[0]['rows']} rows")
    ours = [line for line in lines if line["client"] == "ragtime"]
    theirs = [line for line in lines if line["client"] == kind.client]
    for name in [name for name in ours[0] if name.endswith(("_per_s", "_ms"))]:
        ratios = [a[name] / b[name] for a, b in zip(ours, theirs)]
        mine, other = (statistics.median(line[name] for line in side) for side in (ours, theirs))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{name}: ragtime {mine:.5g}, {kind.client} {other:.5g}; "
            f"ragtime / {kind.client} {statistics.median(ratios):.2f} ({spread}, {len(ratios)} pairs)"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--batch", type=int, help="rows of one call of the client in Python")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    lines = []
    if options.results and options.results.exists():
        kept = map(json.loads, options.results.read_text().splitlines())
        lines = [line for line in kept if line["server"] == options.server and line["rows"] == options.rows]

    def write(line):
        line = {"server": options.server} | line
        lines.append(line)
        print(json.dumps(line), flush=True)
        if options.results:
            with open(options.results, "a") as file:
                file.write(json.dumps(line) + "\n")

    measure(options, write)
    report(options.server, lines)


if __name__ == "__main__":
    main()
