#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/milvus/descriptors.py takes descriptors out of a package and puts their files into a folder of their own.

Method: made-up packages; protobuf itself is not asked, the bytes are compared.
"""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import descriptors  # noqa: E402


def field(number, value):
    return descriptors.varint(number << 3 | 2) + descriptors.varint(len(value)) + value


class DescriptorsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.wheel = pathlib.Path(self.folder.name) / "package.whl"
        self.out = pathlib.Path(self.folder.name) / "out.pb"

    def run_main(self, sources):
        with zipfile.ZipFile(self.wheel, "w") as package:
            for name, source in sources.items():
                package.writestr(f"{descriptors.FOLDER}{name}_pb2.py", source)
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = descriptors.main([str(self.wheel), str(self.out)])
        return code, errors.getvalue()

    def test_every_file_in_order_and_in_the_folder(self):
        kept = field(2, b"milvus.proto") + descriptors.varint(9 << 3) + descriptors.varint(300) + field(4, b"\x0a\x01x")
        files = {
            name: field(1, f"{name}.proto".encode()) + field(3, b"common.proto") + field(3, b"google/x.proto") + kept
            for name in descriptors.MODULES
        }
        code, _ = self.run_main({k: f"pool = x.Default().AddSerializedFile({v!r})\n" for k, v in files.items()})
        self.assertEqual(code, 0)
        wanted = b""
        for name in descriptors.MODULES:
            file = field(1, f"milvus_proto/{name}.proto".encode()) + field(3, b"milvus_proto/common.proto")
            wanted += field(1, file + field(3, b"google/x.proto") + kept)
        self.assertEqual(self.out.read_bytes(), wanted)

    def test_what_is_missing_is_named(self):
        code, errors = self.run_main({})
        self.assertEqual(code, 1)
        self.assertIn("common_pb2.py", errors)
        code, errors = self.run_main({name: "x = 1" for name in descriptors.MODULES})
        self.assertEqual(code, 1)
        self.assertIn("has no serialized file descriptor", errors)
        self.assertFalse(self.out.exists())

    def test_a_descriptor_that_is_cut_short(self):
        source = f"AddSerializedFile = 0\nx.AddSerializedFile({field(1, b'common.proto')[:-2]!r})\n"
        code, errors = self.run_main({name: source for name in descriptors.MODULES})
        self.assertEqual(code, 1)
        self.assertIn("cut short", errors)


if __name__ == "__main__":
    unittest.main()
