# SPDX-License-Identifier: Apache-2.0
"""Writes a BERT sentence embedder as a GGUF file that llama.cpp and Ragtime's own kernels run.

Matrices are Q4_0, the rest is f32.
"""

from dataclasses import dataclass

import gguf_writer as gguf
import numpy as np

# A layer's parts: llama.cpp's name, and whether it is a layer norm.
LAYER_PARTS = {
    "attn_q": False,
    "attn_k": False,
    "attn_v": False,
    "attn_output": False,
    "attn_output_norm": True,
    "ffn_up": False,
    "ffn_down": False,
    "layer_output_norm": True,
}


@dataclass
class Source:
    """Where the numbers come from. Matrices are Q4_0 bytes, vectors float32."""

    name: str
    license: str
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary_size: int
    epsilon: float
    words: bytes
    positions: np.ndarray  # [positions, hidden], token type 0 added: every token of a sentence embedder is of type 0.
    embedding_norm: tuple  # (weight, bias)
    layer_part: object  # layer_part(layer, llama.cpp's name) -> (weight, bias)


def _metadata(source):
    return [
        ("general.architecture", gguf.STRING, "bert"),
        ("general.name", gguf.STRING, source.name),
        ("general.license", gguf.STRING, source.license),
        ("general.file_type", gguf.UINT32, 2),  # mostly Q4_0
        ("bert.vocab_size", gguf.UINT32, source.vocabulary_size),
        ("bert.block_count", gguf.UINT32, source.layers),
        ("bert.context_length", gguf.UINT32, len(source.positions)),
        ("bert.embedding_length", gguf.UINT32, source.hidden),
        ("bert.feed_forward_length", gguf.UINT32, source.feed_forward),
        ("bert.attention.head_count", gguf.UINT32, source.heads),
        ("bert.attention.layer_norm_epsilon", gguf.FLOAT32, source.epsilon),
        ("bert.attention.causal", gguf.BOOL, False),
        ("bert.pooling_type", gguf.UINT32, 1),  # mean
        ("tokenizer.ggml.token_type_count", gguf.UINT32, 1),
    ]


# Ragtime tokenizes by itself: a vocabulary of 250,000 strings would cost every start a quarter of a second.
NO_VOCABULARY = [("tokenizer.ggml.model", gguf.STRING, "no_vocab")]


def _f32(name, values):
    shape = tuple(reversed(np.shape(values)))
    return (name, gguf.F32, shape, np.ascontiguousarray(values, "<f4").tobytes())


def write(source, vocabulary, path):
    """vocabulary: metadata of the tokenizer."""
    tensors = [
        ("token_embd.weight", gguf.Q4_0, (source.hidden, source.vocabulary_size), source.words),
        _f32("position_embd.weight", source.positions),
        _f32("token_embd_norm.weight", source.embedding_norm[0]),
        _f32("token_embd_norm.bias", source.embedding_norm[1]),
    ]
    for layer in range(source.layers):
        for part, is_norm in LAYER_PARTS.items():
            weight, bias = source.layer_part(layer, part)
            name = f"blk.{layer}.{part}"
            if is_norm:
                tensors.append(_f32(f"{name}.weight", weight))
            else:
                columns = source.feed_forward if part == "ffn_down" else source.hidden
                tensors.append((f"{name}.weight", gguf.Q4_0, (columns, len(bias)), weight))
            tensors.append(_f32(f"{name}.bias", bias))
    gguf.write(path, _metadata(source) + vocabulary, tensors)
