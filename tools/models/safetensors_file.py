# SPDX-License-Identifier: Apache-2.0
"""Reads a .safetensors file: a JSON directory, then the tensors' bytes."""

import json
import struct

import numpy as np

_TYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}


def read(data):
    """Returns {name: array}."""
    (size,) = struct.unpack_from("<Q", data)
    directory = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in directory.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = np.frombuffer(data, np.uint8, end - begin, 8 + size + begin)
        tensors[name] = raw.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors
