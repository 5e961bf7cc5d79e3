#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ragtime's client of Milvus beside pymilvus, on one Milvus Lite server that it starts and stops.

usage: PYTHON collection.py BUILD [--rows N] [--dimension N] [--queries N] [--pairs N]
PYTHON is that of RAGTIME_SERVERS (tools/setup.sh --dev), BUILD a build folder with bench/collection_bench. The two
clients take turns; each puts the same number of rows into a new collection with an exact index and searches it. Prints
one line of JSON a run and then the median of the ratios with their spread.
"""

import argparse
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from pymilvus import DataType, MilvusClient

BATCH = 1000  # Rows of one call of pymilvus.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("milvus-lite does not start")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("milvus-lite does not listen")


def unit_vectors(random, count, dimension):
    vectors = random.standard_normal((count, dimension), dtype=numpy.float32)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def search(client, queries, condition):
    times = []
    for query in queries:
        start = time.perf_counter()
        hits = client.search("pymilvus_bench", data=[query], limit=10, filter=condition, consistency_level="Strong")
        times.append((time.perf_counter() - start) * 1000)
        if len(hits[0]) != 10:
            sys.exit("a search found less than 10 rows")
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def run_pymilvus(uri, options):
    client = MilvusClient(uri)
    client.drop_collection("pymilvus_bench")
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=options.dimension)
    schema.add_field("text", DataType.VARCHAR, max_length=65535)
    schema.add_field("payload", DataType.VARCHAR, max_length=65535)
    schema.add_field("year", DataType.INT64, nullable=True)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("pymilvus_bench", schema=schema, index_params=index, consistency_level="Strong")
    random = numpy.random.default_rng(7)
    vectors = unit_vectors(random, options.rows, options.dimension)
    rows = [
        {"id": i + 1, "vector": vectors[i], "text": "x" * 400, "payload": "{}", "year": 2000 + i % 10}
        for i in range(options.rows)
    ]
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        client.upsert("pymilvus_bench", rows[first : first + BATCH])
    seconds = time.perf_counter() - start
    queries = unit_vectors(random, options.queries, options.dimension)
    result = {"rows": options.rows, "put_rows_per_s": round(options.rows / seconds)}
    result["search_p50_ms"], result["search_p99_ms"] = search(client, queries, "")
    result["filtered_p50_ms"], result["filtered_p99_ms"] = search(client, queries, "year == 2003")
    client.drop_collection("pymilvus_bench")
    client.close()
    return result


def run_ragtime(uri, options):
    program = pathlib.Path(options.build) / "bench" / "collection_bench"
    arguments = [program, "milvus", uri, options.rows, options.dimension, options.queries]
    return json.loads(subprocess.run(map(str, arguments), check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    port = free_port()
    program = pathlib.Path(sys.executable).parent / "milvus-lite"
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        arguments = [program, "server", "--data-dir", folder, "--host", "127.0.0.1", "--port", str(port)]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                wait_for(port, server)
                uri = f"http://127.0.0.1:{port}"
                for _ in range(options.pairs):
                    ours, theirs = run_ragtime(uri, options), run_pymilvus(uri, options)
                    print(json.dumps({"client": "ragtime"} | ours))
                    print(json.dumps({"client": "pymilvus"} | theirs), flush=True)
                    for name in ours:
                        ratios.setdefault(name, []).append(ours[name] / theirs[name])
            finally:
                server.terminate()
    for name, values in ratios.items():
        if name != "rows":
            median, spread = statistics.median(values), f"{min(values):.2f} to {max(values):.2f}"
            print(f"{name}: ragtime / pymilvus {median:.2f} ({spread})")


if __name__ == "__main__":
    main()
