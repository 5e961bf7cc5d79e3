#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the definitions of Milvus' messages out of the pymilvus package, as a FileDescriptorSet for protoc.

usage: descriptors.py WHEEL OUT
The package holds them serialized, in Python modules that protoc wrote; they are read as text and never run. OUT names
every file that milvus.proto imports as milvus_proto/X, but google/protobuf/descriptor.proto, which comes with protoc.
Standard library only. Errors are one sentence on stderr and exit code 1; wrong use is 2.
"""

import ast
import pathlib
import sys
import zipfile

FOLDER = "pymilvus/grpc_gen/"
TARGET = b"milvus_proto/"
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


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return number, at


def in_folder(file):
    """The same FileDescriptorProto, with its name and those that it imports in a folder of their own.

    protobuf knows files by name in the whole process, and somebody else's may be called common.proto too.
    """
    out, at = bytearray(), 0
    while at < len(file):
        tag, value_at = read_varint(file, at)
        if tag & 7 != 2:  # Every field of it but numbers is length-delimited.
            _, end = read_varint(file, value_at)
            out += file[at:end]
        else:
            size, value_at = read_varint(file, value_at)
            end = value_at + size
            value = file[value_at:end]
            if tag >> 3 in (1, 3) and not value.startswith(b"google/"):
                value = TARGET + value
            out += varint(tag) + varint(len(value)) + value
        at = end
    if at != len(file):
        raise DescriptorError("a file descriptor is cut short")
    return bytes(out)


def descriptor_set(files):
    """A FileDescriptorSet: field 1, repeated, length-delimited."""
    return b"".join(b"\x0a" + varint(len(file)) + file for file in map(in_folder, files))


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
