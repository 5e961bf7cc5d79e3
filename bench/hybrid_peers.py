#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a hybrid search takes in LlamaIndex and LazyLLM beside bench/hybrid.cc, over the same nodes, without embedding.

usage: bench/hybrid_peers.py BUILD_FOLDER MODEL PEERS WORK [--sizes 2000,10000] [--questions 200]
                             [--sides llama-index,lazyllm]

PEERS is what bench/store_peers.sh made, MODEL a folder of a model of 384 dimensions, whose name the knowledge base
records. Nodes and vectors are those of bench/store_generate; every side has the vectors ready made, so that nothing
is embedded. A question has the vector of one of its questions and 2 to 8 neighbouring words, or characters of
Chinese, of a random row; each side looks 50 deep, joins by reciprocal rank, and the ten best come with their texts.
A peer runs in a process of its own environment, as its documentation shows it:

  llama-index  Chroma keeps the vectors, BM25Retriever the words, QueryFusionRetriever joins both
  lazyllm      `parallel` of a cosine and a bm25 Retriever over its store `map`, then RRFFusion. It asks both without
               an index of vectors and reads all nodes for each question
"""

import argparse
import importlib.metadata
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

DEPTH, TOP_K, WARM_UP = 50, 10, 5
TARGET = 20
SIDES = {
    # The environment, and what is stated of it.
    "llama-index": ("llamaindex", ["llama-index-core", "chromadb", "llama-index-retrievers-bm25", "bm25s"]),
    "lazyllm": ("lazyllm", ["lazyllm", "bm25s"]),
}


def llama_index(data):
    """A function that takes a question and its vector, and answers with the texts of the best."""
    import chromadb
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever
    from llama_index.vector_stores.chroma import ChromaVectorStore

    class Given(BaseEmbedding):
        """The vector that it was set to."""

        vector: list = []

        def _get_query_embedding(self, query):
            return self.vector

        def _get_text_embedding(self, text):
            return self.vector

        async def _aget_query_embedding(self, query):
            return self.vector

    nodes = [TextNode(id_=str(row), text=data.text(row)) for row in range(data.rows)]
    collection = chromadb.EphemeralClient().create_collection("nodes", metadata={"hnsw:space": "cosine"})
    for start in range(0, data.rows, 5000):
        rows = range(start, min(start + 5000, data.rows))
        collection.add(
            ids=[str(row) for row in rows],
            embeddings=data.vectors[rows.start : rows.stop],
            documents=[nodes[row].text for row in rows],
        )
    embedder = Given()
    index = VectorStoreIndex.from_vector_store(ChromaVectorStore(chroma_collection=collection), embed_model=embedder)
    words = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=DEPTH)
    fusion = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=DEPTH), words],
        llm=MockLLM(),
        similarity_top_k=TOP_K,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
    )

    def search(question, vector):
        embedder.vector = vector
        return [hit.node.get_content() for hit in fusion.retrieve(question)]

    return search


def lazyllm(data):
    import tempfile

    import peer_stores

    given = {}

    class Given(peer_stores.Embed):
        """The vector of a node by its text, and of the question the one that it was set to."""

        def one(self, text):
            return given[text] if text in given else super().one(text)

    class Hybrid(peer_stores.LazyMap):
        def open_document(self, dataset_path, store_conf):
            import lazyllm as lazy
            from lazyllm.tools.rag.rank_fusion.reciprocal_rank_fusion import RRFFusion

            document = self.document(
                dataset_path=dataset_path, embed=Given(self.data), manager=False, store_conf=store_conf
            )
            document.create_node_group(name="lines", transform=peer_stores.split_lines)
            with lazy.pipeline() as self.flow:
                with lazy.parallel() as self.flow.routes:
                    self.flow.routes.cosine = self.retriever(document, "lines", "cosine", topk=DEPTH)
                    self.flow.routes.words = self.retriever(document, "lines", "bm25", topk=DEPTH)
                self.flow.join = RRFFusion(top_k=TOP_K)

    folder = tempfile.TemporaryDirectory()
    peer = Hybrid(pathlib.Path(folder.name), data)
    peer.imports()
    peer.insert_all()
    peer.open()

    def search(question, vector, folder=folder):
        given.clear()
        given[question] = vector
        return [node.get_text() for node in peer.flow(question)]

    return search


def words_of(text, chosen):
    """2 to 8 neighbouring words of a text."""
    words = text.split()
    count = min(chosen.randint(2, 8), len(words))
    first = chosen.randrange(len(words) - count + 1)
    asked = []
    for word in words[first : first + count]:
        chinese = ord(word[0]) >= 0x4E00
        asked.append(word[:count] if chinese else word)
        if chinese:  # It has no spaces: as many characters instead.
            break
    return " ".join(asked)


def percentiles(times):
    times = sorted(times)
    return {"p50": statistics.median(times), "p99": times[len(times) * 99 // 100], "searches": len(times)}


def run_side(side, folder, rows, questions):
    """Prints what one peer's searches take, as one line of JSON; run in the peer's environment."""
    from store_data import Data

    data = Data(folder, rows)
    search = {"llama-index": llama_index, "lazyllm": lazyllm}[side](data)
    chosen, times = random.Random(7), []
    for i in range(questions + WARM_UP):
        question = words_of(data.text(chosen.randrange(rows)), chosen)
        vector = data.queries[i % len(data.queries)].tolist()
        started = time.perf_counter()
        texts = search(question, vector)
        if i >= WARM_UP:
            times.append((time.perf_counter() - started) * 1e3)
        assert len(texts) == TOP_K and all(texts), (question, len(texts))
    versions = [f"{name} {importlib.metadata.version(name)}" for name in SIDES[side][1]]
    print(json.dumps({**percentiles(times), "versions": versions}))


def last_line(command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{command} failed: {run.stderr[-2000:]}")
    return run.stdout.strip().splitlines()[-1]


def ours(arguments, data, rows):
    """What bench/hybrid measures of a knowledge base of the same rows; its first searches, not counted, warm it."""
    kb = arguments.work / f"kb-{rows}"
    bench = arguments.build / "bench"
    if not kb.exists():
        made = arguments.work / f"kb-{rows}.part"
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([bench / "store_make", made, data, str(rows), arguments.model], check=True, capture_output=True)
        made.rename(kb)
    line = last_line([bench / "hybrid", kb, data, rows, arguments.questions, 0])
    words = line.partition("measured p50 ")[2].replace(";", "").split()
    return {"p50": float(words[0]), "p99": float(words[2]), "searches": arguments.questions, "versions": []}


def main():
    if sys.argv[1:2] == ["side"]:
        return run_side(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    import start

    parser = argparse.ArgumentParser()
    for name in ("build", "model", "peers", "work"):
        parser.add_argument(name, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--sizes", default="2000,10000")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--sides", default=",".join(SIDES))
    arguments = parser.parse_args()
    sizes = list(map(int, arguments.sizes.split(",")))
    data = arguments.work / "data"
    data.mkdir(parents=True, exist_ok=True)
    subprocess.run([arguments.build / "bench/store_generate", "make", data, str(max(sizes))], check=True)
    print(f"{start.machine()}; hybrid search, {arguments.questions} questions\n")
    print("| nodes | side | p50 ms | p99 ms | p50, times ours | p99, times ours |\n|---|---|---|---|---|---|")
    verdicts = []
    for rows in sizes:
        results = {"ragtime": ours(arguments, data, rows)}
        for side in arguments.sides.split(","):
            python = arguments.peers / SIDES[side][0] / "bin/python"
            command = [python, __file__, "side", side, data, rows, arguments.questions]
            results[side] = json.loads(last_line(command))
        for side, result in results.items():
            ratios = [result[key] / results["ragtime"][key] for key in ("p50", "p99")]
            name = f"{side} ({', '.join(result['versions'])})" if result["versions"] else side
            print(
                f"| {rows} | {name} | {result['p50']:.2f} | {result['p99']:.2f} | "
                f"{ratios[0]:.1f} | {ratios[1]:.1f} |",
                flush=True,
            )
            if side != "ragtime":
                met = "met" if ratios[0] >= TARGET else "open"
                verdicts.append(f"{rows} nodes, p50 of {side}: {ratios[0]:.1f}x ours, target {TARGET}x: {met}")
    print("\n" + "\n".join(verdicts))


if __name__ == "__main__":
    main()
