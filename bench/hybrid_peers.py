#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a hybrid search takes in LlamaIndex over the nodes of bench/hybrid.cc, without the embedding of its question.

usage: bench/hybrid_peers.py DATA ROWS QUESTIONS

DATA is what bench/store_generate wrote. Chroma keeps the vectors, BM25Retriever the words, QueryFusionRetriever joins
both by reciprocal rank, as LlamaIndex's documentation shows it. A question has the vector of one of DATA's questions
and 2 to 8 neighbouring words, or characters of Chinese, of a random row; each side looks 50 deep, and the ten best
come with their texts.
Needs llama-index-core, llama-index-vector-stores-chroma and llama-index-retrievers-bm25.
"""

import random
import statistics
import sys
import time
from importlib.metadata import version

import chromadb
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.chroma import ChromaVectorStore

from store_data import Data

DEPTH, TOP_K, WARM_UP = 50, 10, 5


class Given(BaseEmbedding):
    """The vector that it was set to: the question's embedding is not what is measured."""

    vector: list = []

    def _get_query_embedding(self, query):
        return self.vector

    def _get_text_embedding(self, text):
        return self.vector

    async def _aget_query_embedding(self, query):
        return self.vector


def main():
    data, questions = Data(sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
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
    fusion = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=DEPTH), BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=DEPTH)],
        llm=MockLLM(),
        similarity_top_k=TOP_K,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
    )
    chosen, times = random.Random(7), []
    for i in range(questions + WARM_UP):
        words = data.text(chosen.randrange(data.rows)).split()
        count = min(chosen.randint(2, 8), len(words))
        first = chosen.randrange(len(words) - count + 1)
        asked = []
        for word in words[first : first + count]:
            chinese = ord(word[0]) >= 0x4E00
            asked.append(word[:count] if chinese else word)
            if chinese:  # It has no spaces: as many characters instead.
                break
        embedder.vector = data.queries[i % len(data.queries)].tolist()
        started = time.perf_counter()
        hits = fusion.retrieve(" ".join(asked))
        if i >= WARM_UP:
            times.append((time.perf_counter() - started) * 1e3)
        assert len(hits) == TOP_K and all(hit.node.get_content() for hit in hits)
    times.sort()
    names = ("llama-index-core", "chromadb", "llama-index-retrievers-bm25", "bm25s")
    print(", ".join(f"{name} {version(name)}" for name in names))
    print(
        f"{data.rows} nodes, {len(times)} searches: p50 {statistics.median(times):.2f} ms, "
        f"p99 {times[len(times) * 99 // 100]:.2f} ms"
    )


if __name__ == "__main__":
    main()
