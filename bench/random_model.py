#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A language model of random weights in the shape of a larger one, to measure how fast that would be.

usage: bench/random_model.py MODEL.gguf OUT.gguf [--width 4096] [--layers 32] [--heads 32] [--kv-heads 8]
                             [--feed-forward 14336]

Vocabulary, template and context are those of MODEL.gguf, a model of the architecture "llama". Weights are F16
(`ragtime models quantize` makes others); the defaults give 7.2 billion of them. What it writes means nothing.
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools/models"))
import gguf_writer as gguf

BLOCK = 1 << 24  # Random numbers that are made; larger tensors repeat them.
FILE_TYPE_MOSTLY_F16 = 1


def shapes(width, layers, kv_width, feed_forward, vocabulary):
    """(name, shape with the fastest dimension first) of each tensor."""
    yield "token_embd.weight", (width, vocabulary)
    yield "output_norm.weight", (width,)
    for layer in range(layers):
        for name, shape in (
            ("attn_norm", (width,)),
            ("attn_q", (width, width)),
            ("attn_k", (width, kv_width)),
            ("attn_v", (width, kv_width)),
            ("attn_output", (width, width)),
            ("ffn_norm", (width,)),
            ("ffn_gate", (width, feed_forward)),
            ("ffn_up", (width, feed_forward)),
            ("ffn_down", (feed_forward, width)),
        ):
            yield f"blk.{layer}.{name}.weight", shape


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    for name, value in (("width", 4096), ("layers", 32), ("heads", 32), ("kv-heads", 8), ("feed-forward", 14336)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    metadata, tensors = gguf.read(arguments.model.read_bytes())
    vocabulary = next(shape[1] for name, _, shape, _ in tensors if name == "token_embd.weight")
    head = arguments.width // arguments.heads
    changed = {
        "llama.embedding_length": arguments.width,
        "llama.block_count": arguments.layers,
        "llama.attention.head_count": arguments.heads,
        "llama.attention.head_count_kv": arguments.kv_heads,
        "llama.feed_forward_length": arguments.feed_forward,
        "llama.rope.dimension_count": head,
        "general.file_type": FILE_TYPE_MOSTLY_F16,
        "general.name": "random",
    }
    dropped = ("general.alignment", "llama.attention.key_length", "llama.attention.value_length")
    metadata = [(key, kind, changed.get(key, value)) for key, kind, value in metadata if key not in dropped]
    numbers = np.random.default_rng(1).standard_normal(BLOCK, dtype=np.float32)
    made = []
    for name, shape in shapes(
        arguments.width, arguments.layers, arguments.kv_heads * head, arguments.feed_forward, vocabulary
    ):
        count = int(np.prod(shape))
        if len(shape) == 1:
            made.append((name, gguf.F32, shape, np.ones(count, np.float32).tobytes()))
        else:
            # Outputs then are as large as inputs, whatever the width.
            weights = (numbers / np.sqrt(shape[0])).astype(np.float16)
            made.append((name, gguf.F16, shape, np.resize(weights, count).tobytes()))
    gguf.write(arguments.out, metadata, made)


if __name__ == "__main__":
    main()
