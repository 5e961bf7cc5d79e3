# SPDX-License-Identifier: Apache-2.0
"""Reads and writes GGUF files, version 3: typed metadata, then tensors aligned to 32 bytes."""

import struct

import numpy as np

ALIGNMENT = 32

# ggml's tensor types: number, weights in a block, bytes of a block.
F32 = (0, 1, 4)
F16 = (1, 1, 2)
Q4_0 = (2, 32, 18)
Q4_1 = (3, 32, 20)
Q8_0 = (8, 32, 34)
TENSOR_TYPES = {number: (number, weights, size) for number, weights, size in (F32, F16, Q4_0, Q4_1, Q8_0)}

# GGUF's value types.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def _pack_string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _pack_value(kind, value):
    if kind == STRING:
        return _pack_string(value)
    if kind == ARRAY:
        element, values = value
        head = struct.pack("<IQ", element, len(values))
        if element == STRING:
            return head + b"".join(map(_pack_string, values))
        return head + struct.pack(f"<{len(values)}{_SCALARS[element]}", *values)
    return struct.pack("<" + _SCALARS[kind], value)


def _aligned(size):
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def tensor_size(kind, shape):
    _, weights, size = kind
    count = 1
    for dimension in shape:
        count *= dimension
    if count % weights:
        raise ValueError(f"a tensor of shape {shape} is not whole blocks of {weights} weights")
    return count // weights * size


def write(path, metadata, tensors):
    """metadata: [(key, type, value)], an array's value being (element type, values);
    tensors: [(name, tensor type, shape with the fastest dimension first, bytes)]."""
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, kind, value in metadata:
        parts += [_pack_string(key), struct.pack("<I", kind), _pack_value(kind, value)]
    offset = 0
    for name, kind, shape, data in tensors:
        if len(data) != tensor_size(kind, shape):
            raise ValueError(f"tensor {name} has {len(data)} bytes")
        parts += [_pack_string(name), struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind[0], offset)]
        offset += _aligned(len(data))
    head = b"".join(parts)
    with open(path, "wb") as file:
        file.write(head.ljust(_aligned(len(head)), b"\0"))
        for _, _, _, data in tensors:
            file.write(data)
            file.write(b"\0" * (_aligned(len(data)) - len(data)))


class _Cursor:
    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, format):
        values = struct.unpack_from("<" + format, self.data, self.position)
        self.position += struct.calcsize("<" + format)
        return values if len(values) > 1 else values[0]

    def string(self):
        size = self.take("Q")
        self.position += size
        return bytes(self.data[self.position - size : self.position])

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.take(_SCALARS[kind])
        element, count = self.take("IQ")
        if element == STRING:
            return element, [self.string() for _ in range(count)]
        values = struct.unpack_from(f"<{count}{_SCALARS[element]}", self.data, self.position)
        self.position += struct.calcsize(f"<{count}{_SCALARS[element]}")
        return element, list(values)


def read(data):
    """Returns (metadata, tensors) in the form that write() takes."""
    cursor = _Cursor(data)
    magic, version, tensor_count, metadata_count = cursor.take("4sIQQ")
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    metadata = []
    for _ in range(metadata_count):
        key = cursor.string().decode()
        kind = cursor.take("I")
        metadata.append((key, kind, cursor.value(kind)))
    alignment = {key: value for key, _, value in metadata}.get("general.alignment", ALIGNMENT)
    infos = []
    for _ in range(tensor_count):
        name = cursor.string().decode()
        rank = cursor.take("I")
        shape = tuple(cursor.take("Q") for _ in range(rank))
        number, offset = cursor.take("IQ")
        infos.append((name, TENSOR_TYPES[number], shape, offset))
    start = (cursor.position + alignment - 1) // alignment * alignment
    tensors = []
    for name, kind, shape, offset in infos:
        tensors.append((name, kind, shape, np.frombuffer(data, np.uint8, tensor_size(kind, shape), start + offset)))
    return metadata, tensors
