#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/deps.py reads the lock file, refuses files that are not the pinned ones, and keys the cache.

Method: small lock files and a made-up wheel in a temporary folder; the real lock file is parsed too.
"""

import hashlib
import pathlib
import sys
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import deps  # noqa: E402

HASH = hashlib.sha256(b"bytes").hexdigest()
LINE = f"pypi thing 1.0 thing-1.0.whl {HASH} compile,convert"


class LockTest(unittest.TestCase):
    def test_the_lock_file_of_the_project(self):
        packages, debian = deps.read_lock(deps.LOCK.read_text(encoding="utf-8"))
        for kind, uses in deps.USES.items():
            used = {use for package in packages if package.kind == kind for use in package.uses}
            self.assertEqual(used, uses)
        self.assertEqual(len({package.file for package in packages}), len(packages))
        self.assertEqual(len({name for name, _, _ in debian}), len(debian))

    def test_where_a_crate_lies(self):
        packages, _ = deps.read_lock(LINE.replace("pypi", "crate").replace("compile,convert", "index"))
        for download, address in [
            ("https://x/crates", "https://x/crates/thing/1.0/download"),
            ("https://x/{prefix}/{crate}-{version}.crate", "https://x/th/in/thing-1.0.crate"),
            ("https://x/{sha256-checksum}", f"https://x/{HASH}"),
        ]:
            self.assertEqual(deps.crate_address(download, packages[0]), address)

    def test_a_crate_has_uses_of_its_own(self):
        with self.assertRaises(deps.LockError):
            deps.read_lock(LINE.replace("pypi", "crate"))

    def test_lines_and_comments(self):
        packages, debian = deps.read_lock(f"# comment\n\n{LINE}  # why\ndebian g++ 4:12 build\n")
        self.assertEqual(packages[0][:4], ("thing", "1.0", "thing-1.0.whl", HASH))
        self.assertEqual(packages[0].uses, {"compile", "convert"})
        self.assertEqual(debian, [("g++", "4:12", "build")])

    def test_every_wrong_line_is_refused_with_its_number(self):
        for line in (
            "pypi thing 1.0",
            LINE.replace(HASH, HASH[:-1]),
            LINE.replace(HASH, HASH.upper()),
            LINE.replace("compile", "eat"),
            "debian g++ 12",
            "debian g++ 12 sometimes",
            "npm x 1 y z w",
        ):
            with self.subTest(line), self.assertRaisesRegex(deps.LockError, "line 2"):
                deps.read_lock(f"\n{line}\n")

    def test_selection_keeps_the_order_of_the_file(self):
        packages, _ = deps.read_lock(f"{LINE}\n{LINE.replace('thing', 'other').replace('compile,', '')}\n")
        self.assertEqual([package.name for package in deps.select(packages, ["convert"])], ["thing", "other"])
        self.assertEqual([package.name for package in deps.select(packages, ["compile"])], ["thing"])


class FileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.packages, _ = deps.read_lock(LINE)

    def test_the_pinned_file_passes_and_any_other_does_not(self):
        path = self.folder / "thing-1.0.whl"
        with self.assertRaisesRegex(deps.LockError, "missing"):
            deps.verify(self.packages, path)
        path.write_bytes(b"bytes")
        deps.verify(self.packages, path)
        for damaged in (b"byteS", b"byte", b"bytes\n", b""):
            path.write_bytes(damaged)
            with self.subTest(damaged), self.assertRaisesRegex(deps.LockError, "not the pinned file"):
                deps.verify(self.packages, path)
        with self.assertRaisesRegex(deps.LockError, "not in deps.lock"):
            deps.verify(self.packages, self.folder / "other-1.0.whl")

    def test_a_key_changes_with_lock_lines_of_its_use_and_with_salts_only(self):
        key = deps.key(self.packages, ["compile"], [b"a", b"b"])
        self.assertRegex(key, "^[0-9a-f]{16}$")
        self.assertEqual(key, deps.key(self.packages, ["compile"], [b"a", b"b"]))
        self.assertNotEqual(key, deps.key(self.packages, ["compile"], [b"ab"]))
        self.assertNotEqual(key, deps.key(self.packages, ["compile"], [b"b", b"a"]))
        newer, _ = deps.read_lock(LINE.replace("1.0", "1.1"))
        self.assertNotEqual(key, deps.key(newer, ["compile"], [b"a", b"b"]))
        more, _ = deps.read_lock(f"{LINE}\n{LINE.replace('thing', 'other').replace('compile,convert', 'bench')}")
        self.assertEqual(key, deps.key(more, ["compile"], [b"a", b"b"]))

    def test_a_folder_counts_by_its_scripts_and_not_by_their_tests(self):
        (self.folder / "a.py").write_text("1", encoding="utf-8")
        before = deps.folder_salt(self.folder)
        (self.folder / "a_test.py").write_text("1", encoding="utf-8")
        (self.folder / "a.pyc").write_text("1", encoding="utf-8")
        self.assertEqual(before, deps.folder_salt(self.folder))
        (self.folder / "a.py").write_text("2", encoding="utf-8")
        self.assertNotEqual(before, deps.folder_salt(self.folder))
        (self.folder / "a.py").rename(self.folder / "b.py")
        (self.folder / "b.py").write_text("1", encoding="utf-8")
        self.assertNotEqual(before, deps.folder_salt(self.folder))

    def test_openvino_is_unpacked_without_python_gpu_and_npu(self):
        wheel = self.folder / "openvino.whl"
        kept = [
            "openvino/include/openvino/core.hpp",
            "openvino/cmake/OpenVINOConfig.cmake",
            "openvino/libs/libopenvino.so.1",
            "openvino/libs/libopenvino_intel_cpu_plugin.so",
            "openvino-1.dist-info/licenses/licensing/tbb.txt",
        ]
        left = [
            "openvino/__init__.py",
            "openvino/libs/libopenvino_intel_gpu_plugin.so",
            "openvino/libs/libopenvino_intel_npu_plugin.so",
            "openvino/libs/cache.json",
            "openvino-1.dist-info/RECORD",
        ]
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in kept + left:
                archive.writestr(name, name)
        deps.unpack_openvino(wheel, self.folder / "out")
        found = {
            str(path.relative_to(self.folder / "out")): path.read_text(encoding="utf-8")
            for path in (self.folder / "out").rglob("*")
            if path.is_file()
        }
        expected = {name.removeprefix("openvino/").replace("openvino-1.dist-info/", ""): name for name in kept}
        self.assertEqual(found, expected)


if __name__ == "__main__":
    unittest.main()
