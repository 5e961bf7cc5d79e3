# SPDX-License-Identifier: Apache-2.0
"""Builds a BERT encoder as an OpenVINO graph from arrays.

Inputs: `embeddings` f32 [B, T, hidden] (word, position and type rows summed, before the first layer norm; the word
table is gathered outside the graph) and `mask` f32 [B, T] (1 for a token, 0 for padding). Output: `vector` f32
[B, hidden], the mean of the last layer over the tokens, not normalized, so that the windows of a long text can be
averaged.
"""

from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import opset13 as op


@dataclass
class Linear:
    weight: np.ndarray  # [outputs, inputs]
    bias: np.ndarray


@dataclass
class Norm:
    weight: np.ndarray
    bias: np.ndarray


@dataclass
class Layer:
    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    feed_forward_up: Linear
    feed_forward_down: Linear
    output_norm: Norm


@dataclass
class Encoder:
    name: str
    hidden: int
    heads: int
    epsilon: float
    embedding_norm: Norm
    layers: list


def _linear(values, linear):
    product = op.matmul(values, op.constant(linear.weight), False, True)
    return op.add(product, op.constant(linear.bias))


def _norm(values, norm, epsilon):
    scaled = op.mvn(values, op.constant(np.array([-1], np.int64)), True, epsilon, "INSIDE_SQRT")
    return op.add(op.multiply(scaled, op.constant(norm.weight)), op.constant(norm.bias))


def _split_heads(values, heads, head_size):
    shape = op.constant(np.array([0, 0, heads, head_size], np.int64))
    return op.transpose(op.reshape(values, shape, True), op.constant(np.array([0, 2, 1, 3], np.int64)))


def _attention(values, bias, layer, encoder):
    head_size = encoder.hidden // encoder.heads
    query, key, value = (
        _split_heads(_linear(values, part), encoder.heads, head_size) for part in (layer.query, layer.key, layer.value)
    )
    context = op.scaled_dot_product_attention(query, key, value, bias)
    context = op.transpose(context, op.constant(np.array([0, 2, 1, 3], np.int64)))
    context = op.reshape(context, op.constant(np.array([0, 0, encoder.hidden], np.int64)), True)
    return _linear(context, layer.attention_output)


def _masked_mean(values, mask):
    weights = op.unsqueeze(mask, op.constant(np.int64(2)))
    total = op.reduce_sum(op.multiply(values, weights), op.constant(np.int64(1)), False)
    count = op.reduce_sum(mask, op.constant(np.int64(1)), True)
    return op.divide(total, op.maximum(count, op.constant(np.float32(1))))


def build(encoder):
    embeddings = op.parameter([-1, -1, encoder.hidden], np.float32, "embeddings")
    mask = op.parameter([-1, -1], np.float32, "mask")
    # Added to the attention scores: 0 for a token, a large negative number (finite in bf16 and f16 too) for padding.
    bias = op.multiply(op.subtract(mask, op.constant(np.float32(1))), op.constant(np.float32(30000)))
    bias = op.unsqueeze(bias, op.constant(np.array([1, 2], np.int64)))
    values = _norm(embeddings, encoder.embedding_norm, encoder.epsilon)
    for layer in encoder.layers:
        attended = op.add(values, _attention(values, bias, layer, encoder))
        values = _norm(attended, layer.attention_norm, encoder.epsilon)
        inner = op.gelu(_linear(values, layer.feed_forward_up), "ERF")
        values = _norm(op.add(values, _linear(inner, layer.feed_forward_down)), layer.output_norm, encoder.epsilon)
    vector = _masked_mean(values, mask)
    for parameter in (embeddings, mask):
        parameter.output(0).set_names({parameter.friendly_name})
    vector.output(0).set_names({"vector"})
    return ov.Model([op.result(vector, name="vector")], [embeddings, mask], encoder.name)


def write(encoder, path):
    """Writes `path` (.xml) and the .bin beside it, weights as f16."""
    ov.save_model(build(encoder), path, compress_to_fp16=True)
