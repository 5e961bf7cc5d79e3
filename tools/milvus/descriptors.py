#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the definitions of Milvus' messages out of the pymilvus package, as a FileDescriptorSet for protoc.

usage: descriptors.py WHEEL OUT
The package holds them serialized, in Python modules that protoc wrote; they are read as text and never run. OUT names
every file that milvus.proto imports but google/protobuf/descriptor.proto, which comes with protoc. Standard library
only. Errors are one sentence on stderr and exit code 1; wrong use is 2.
"""

import ast
import pathlib
import sys
import zipfile

FOLDER = "pymilvus/grpc_gen/"
# Each after those that it imports.
MODULES = ("common", "schema", "feder", "msg", "rg", "milvus")


class DescriptorError(Exception):
    """The package does not hold what is expected of it."""


def serialized_file(source, name):
    """The bytes that the module hands to AddSerializedFile."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, bytes)
        ):
            return node.args[0].value
    raise DescriptorError(f"{name} has no serialized file descriptor")


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def descriptor_set(files):
    """A FileDescriptorSet: field 1, repeated, length-delimited."""
    return b"".join(b"\x0a" + varint(len(file)) + file for file in files)


def main(arguments):
    if len(arguments) != 2:
        print("usage: descriptors.py WHEEL OUT", file=sys.stderr)
        return 2
    wheel, out = map(pathlib.Path, arguments)
    try:
        with zipfile.ZipFile(wheel) as package:
            names = [f"{FOLDER}{module}_pb2.py" for module in MODULES]
            files = [serialized_file(package.read(name).decode(), name) for name in names]
        out.write_bytes(descriptor_set(files))
    except (OSError, KeyError, zipfile.BadZipFile, SyntaxError, DescriptorError) as error:
        print(f"{wheel}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
