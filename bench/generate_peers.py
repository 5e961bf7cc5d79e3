#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One peer of bench/generate.py in a process of its own environment: it answers jobs that come as lines of JSON.

usage: bench/generate_peers.py llama-index PORT NODES VECTORS QUESTIONS QUESTION_VECTORS
       bench/generate_peers.py openvino MODEL.gguf PROMPTS
The first is LlamaIndex's query engine, streaming, before the llama-server at PORT, with its own index over NODES (a
JSON array of texts) and their VECTORS; questions have vectors ready made too, so that it embeds nothing. The second is
OpenVINO GenAI's continuous batching with prefix caching over the messages of PROMPTS, without a server before it.
A job is {"questions", "users", "max_tokens"}, its answer {"seconds", "answers"} as bench/generate.py has them.
"""

import concurrent.futures
import json
import os
import sys
import time


def vectors_of(texts, vectors):
    """Each text's vector."""
    import numpy

    rows = numpy.fromfile(vectors, "<f4").reshape(len(texts), -1)
    return dict(zip(texts, rows.tolist()))


def pass_all(questions, users, ask):
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(users) as pool:
        answers = list(pool.map(ask, questions))
    return {"seconds": time.perf_counter() - began, "answers": answers}


class LlamaIndex:
    def __init__(self, port, nodes, vectors, questions, question_vectors):
        from llama_index.core import VectorStoreIndex
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.core.schema import TextNode
        from llama_index.llms.openai_like import OpenAILike

        texts = json.loads(open(nodes).read())
        given = vectors_of(json.loads(open(questions).read()), question_vectors)

        class Given(BaseEmbedding):
            """The vector that was made of a question before."""

            def _get_query_embedding(self, query):
                return given[query]

            async def _aget_query_embedding(self, query):
                return given[query]

            def _get_text_embedding(self, text):
                raise RuntimeError("nodes come with their vectors")

        rows = vectors_of(range(len(texts)), vectors)
        self.index = VectorStoreIndex(
            [TextNode(text=text, embedding=rows[i]) for i, text in enumerate(texts)], embed_model=Given()
        )

        def engine(max_tokens):
            llm = OpenAILike(
                model="smollm2",
                api_base=f"http://127.0.0.1:{port}/v1",
                api_key="none",
                is_chat_model=True,
                context_window=2048,
                temperature=0,
                max_tokens=max_tokens,
                timeout=600,
                additional_kwargs={"stream_options": {"include_usage": True}},
            )
            return self.index.as_query_engine(llm=llm, streaming=True, similarity_top_k=5)

        self.engine = engine

    def answer(self, engine, question):
        began = time.perf_counter()
        response = engine.query(question)
        first, pieces = None, []
        for piece in response.response_gen:
            if piece:
                first = first or (time.perf_counter() - began) * 1000
                pieces.append(piece)
        if first is None:
            return None
        return {
            "question": question,
            "first": first,
            "total": (time.perf_counter() - began) * 1000,
            "text": "".join(pieces),
            # llama-server sends a piece for each token.
            "written": len(pieces),
            "passages": "\n".join(hit.node.get_content() for hit in response.source_nodes),
        }

    def run(self, questions, users, max_tokens):
        engine = self.engine(max_tokens)
        return pass_all(questions, users, lambda question: self.answer(engine, question))


class OpenVino:
    def __init__(self, model, prompts):
        import openvino_genai

        self.genai = openvino_genai
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.cache_size = 2  # GB, as much as the prompts of 16 users and of a set of questions need.
        properties = {"INFERENCE_NUM_THREADS": os.cpu_count()}
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(model, scheduler, "CPU", properties)
        self.tokenizer = self.pipeline.get_tokenizer()
        self.prompts = json.loads(open(prompts).read())
        self.requests = 0

    def run(self, questions, users, max_tokens):
        """`users` requests are under way at any time; one thread steps the pipeline, which batches them."""
        config = self.genai.GenerationConfig()
        config.max_new_tokens = max_tokens
        config.do_sample = False
        began = time.perf_counter()
        waiting, running = list(enumerate(questions)), {}
        answers = [None] * len(questions)
        while waiting or running:
            while waiting and len(running) < users:
                i, question = waiting.pop(0)
                at = time.perf_counter()
                prompt = self.tokenizer.apply_chat_template(self.prompts[question], add_generation_prompt=True)
                handle = self.pipeline.add_request(self.requests, prompt, config)
                self.requests += 1
                running[i] = {"at": at, "handle": handle, "ids": [], "first": None, "prompt": prompt}
            self.pipeline.step()
            for i, request in list(running.items()):
                while request["handle"].can_read():
                    for output in request["handle"].read().values():
                        request["ids"] += output.generated_ids
                now = (time.perf_counter() - request["at"]) * 1000
                if request["ids"] and request["first"] is None:
                    request["first"] = now
                if request["handle"].get_status() != self.genai.GenerationStatus.RUNNING:
                    del running[i]
                    if request["ids"]:
                        answers[i] = {
                            "question": questions[i],
                            "first": request["first"],
                            "total": now,
                            "text": self.tokenizer.decode(request["ids"]),
                            "written": len(request["ids"]),
                        }
        return {"seconds": time.perf_counter() - began, "answers": answers}


def main():
    # What a library prints of its own must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = {"llama-index": LlamaIndex, "openvino": OpenVino}[sys.argv[1]](*sys.argv[2:])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(peer.run(job["questions"], job["users"], job["max_tokens"])), file=answers, flush=True)


if __name__ == "__main__":
    main()
