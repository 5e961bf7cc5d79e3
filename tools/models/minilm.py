# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 out of its safetensors file: exact (f16) in OpenVINO, 4 bits in GGUF; the word table is of 4 bits in both."""

import bert_gguf
import gguf_writer as gguf
import numpy as np
import openvino_graph
import safetensors_file
import tokenizer_writer
from quantize import quantize_q4_0

_MAX_TOKENS = 256  # What the model was trained for (sentence_bert_config.json), of its 512 positions.
_EPSILON = 1e-12
_HEADS = 12
_SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
_CONTROL_TOKEN, _NORMAL_TOKEN = 3, 1

# llama.cpp's names of a layer's parts, and those of the file.
_LAYER_PARTS = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}


class _Weights:
    def __init__(self, data):
        self.tensors = safetensors_file.read(data)
        self.words = self.tensors["embeddings.word_embeddings.weight"]
        self.layers = len([name for name in self.tensors if name.endswith("attention.self.query.weight")])
        types = self.tensors["embeddings.token_type_embeddings.weight"]
        self.positions = (self.tensors["embeddings.position_embeddings.weight"] + types[0])[:_MAX_TOKENS]

    def pair(self, name):
        return self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]

    def layer_part(self, layer, part):
        return self.pair(f"encoder.layer.{layer}.{_LAYER_PARTS[part]}")


def _gguf_source(weights):
    def layer_part(layer, part):
        weight, bias = weights.layer_part(layer, part)
        return weight if bert_gguf.LAYER_PARTS[part] else quantize_q4_0(weight), bias

    return bert_gguf.Source(
        name="all-MiniLM-L6-v2",
        license="apache-2.0",
        hidden=weights.words.shape[1],
        layers=weights.layers,
        heads=_HEADS,
        feed_forward=len(weights.layer_part(0, "ffn_up")[1]),
        vocabulary_size=len(weights.words),
        epsilon=_EPSILON,
        words=quantize_q4_0(weights.words),
        positions=weights.positions,
        embedding_norm=weights.pair("embeddings.LayerNorm"),
        layer_part=layer_part,
    )


def _gguf_vocabulary(pieces):
    """As llama.cpp spells WordPiece: U+2581 before a piece that starts a word, nothing in place of "##"."""
    controls = {*_SPECIAL, "[MASK]"}
    spelled = [p if p in controls else p[2:] if p.startswith("##") else "\u2581" + p for p in pieces]
    kinds = [_CONTROL_TOKEN if piece in controls else _NORMAL_TOKEN for piece in pieces]
    return [
        ("tokenizer.ggml.model", gguf.STRING, "bert"),
        ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, spelled)),
        ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.INT32, kinds)),
        ("tokenizer.ggml.bos_token_id", gguf.UINT32, pieces.index("[CLS]")),
        ("tokenizer.ggml.seperator_token_id", gguf.UINT32, pieces.index("[SEP]")),
        ("tokenizer.ggml.padding_token_id", gguf.UINT32, pieces.index("[PAD]")),
        ("tokenizer.ggml.unknown_token_id", gguf.UINT32, pieces.index("[UNK]")),
    ]


def _graph_encoder(weights):
    def layer(index):
        def linear(part):
            return openvino_graph.Linear(*weights.layer_part(index, part))

        def norm(part):
            return openvino_graph.Norm(*weights.layer_part(index, part))

        return openvino_graph.Layer(
            linear("attn_q"),
            linear("attn_k"),
            linear("attn_v"),
            linear("attn_output"),
            norm("attn_output_norm"),
            linear("ffn_up"),
            linear("ffn_down"),
            norm("layer_output_norm"),
        )

    return openvino_graph.Encoder(
        "all-MiniLM-L6-v2",
        weights.words.shape[1],
        _HEADS,
        _EPSILON,
        openvino_graph.Norm(*weights.pair("embeddings.LayerNorm")),
        [layer(index) for index in range(weights.layers)],
    )


def build(data, vocabulary, folder):
    """data, vocabulary: the bytes of model.safetensors and vocab.txt. Returns what model.json says of the model."""
    weights = _Weights(data)
    pieces = vocabulary.decode().splitlines()
    if len(pieces) != len(weights.words):
        raise ValueError(f"vocab.txt has {len(pieces)} pieces, the word table {len(weights.words)} rows")
    bert_gguf.write(_gguf_source(weights), _gguf_vocabulary(pieces), folder / "encoder.gguf")
    openvino_graph.write(_graph_encoder(weights), folder / "encoder.xml")
    tokenizer_writer.write_wordpiece(pieces, tuple(map(pieces.index, _SPECIAL)), folder / "tokenizer.bin")
    return {
        "name": "all-minilm-l6-v2",
        "dimension": weights.words.shape[1],
        "max_tokens": _MAX_TOKENS,
        "query_prefix": "",
        "passage_prefix": "",
        "found_threshold": 0.35,
        "tokenizer_kind": "wordpiece",
    }
