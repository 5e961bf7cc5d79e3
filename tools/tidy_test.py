#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: every rule of tools/tidy.py can fail, and a clean tree passes all of them.

Method: a small clean tree is written into a temporary folder; each test breaks it in one way and names the rule.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import tidy  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def header(guard, body=""):
    return f"{SPDX}#ifndef {guard}\n#define {guard}\n{body}#endif  // {guard}\n"


CLEAN = {
    "CMakeLists.txt": "add_subdirectory(src)\n",
    "README.md": "# Title of it\nSee [the store](docs/store.md#how-it-works) and `src/store`.\n",
    "docs/store.md": "## How it works\nIn `src/store/store.cc`.\n",
    "include/ragtime/node.h": header("RAGTIME_NODE_H_", "#include <string>\n"),
    "src/base/files.h": header("RAGTIME_BASE_FILES_H_", '#include "ragtime/node.h"\n'),
    "src/base/files.cc": SPDX + '#include "base/files.h"\n#include <unistd.h>\n',
    "src/base/CMakeLists.txt": "ragtime_library(NAME base SRCS files.cc)\n",
    "src/store/store.cc": SPDX + '#include "base/files.h"\n#include <sqlite3.h>\n',
    "src/store/store_test.cc": SPDX + '#include <gtest/gtest.h>\n#include "testing/folder.h"\n',
    "src/store/CMakeLists.txt": "foreach(name store)\nx(${name}.cc ${name}_test.cc)\nendforeach()\n",
    "src/store/map/map.h": header("RAGTIME_STORE_MAP_MAP_H_"),
    "src/store/disk/disk.cc": SPDX + '#include "base/files.h"\n',
    "src/store/disk/CMakeLists.txt": "ragtime_library(NAME disk SRCS disk.cc)\n",
    "src/engine/builtin.cc": SPDX + '#include "store/map/map.h"\n',
    "src/engine/CMakeLists.txt": "ragtime_library(NAME engine SRCS builtin.cc)\n",
    "tests/testing/folder.h": header("RAGTIME_TESTING_FOLDER_H_"),
    "tools/run.sh": "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\ntrue\n",
    "tools/layers.txt": "include:\nbase: include\nstore: include base\nstore/map: include base\n"
    "store/disk: include base\nengine: include base store\n"
    "engine/builtin.cc: include base store/*\n"
    "header sqlite3.h store\nheader gtest/ tests\n",
}


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def append(self, path, text):
        self.write(path, (self.root / path).read_text(encoding="utf-8") + text)

    def findings(self):
        return tidy.check(tidy.Tree.load(self.root))

    def expect(self, rule, path):
        found = self.findings()
        self.assertIn((rule, path), [(finding.rule, finding.path) for finding in found])
        self.assertEqual({finding.rule for finding in found}, {rule}, "another rule fired as well")

    def test_a_clean_tree_has_no_finding(self):
        self.assertEqual(self.findings(), [])

    def test_the_program_counts_findings_in_its_exit_code(self):
        command = [sys.executable, str(HERE / "tidy.py"), str(self.root)]
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 0)
        self.append("src/base/files.cc", "\tint x;\n")
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/base/files.cc:4: lines:", result.stdout)

    def test_an_empty_tree_is_not_clean(self):
        with tempfile.TemporaryDirectory() as empty:
            command = [sys.executable, str(HERE / "tidy.py"), empty]
            self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 1)

    def test_an_include_upwards(self):
        self.append("src/base/files.cc", '#include "store/map/map.h"\n')
        self.expect("layers", "src/base/files.cc")

    def test_an_include_of_a_sibling_backend(self):
        self.append("src/store/disk/disk.cc", '#include "store/map/map.h"\n')
        self.expect("layers", "src/store/disk/disk.cc")

    def test_only_the_named_file_may_see_every_backend(self):
        self.write("src/engine/open.cc", SPDX + '#include "store/map/map.h"\n')
        self.write("src/engine/CMakeLists.txt", "x(builtin.cc open.cc)\n")
        self.expect("layers", "src/engine/open.cc")

    def test_a_public_header_that_includes_a_private_one(self):
        self.write("include/ragtime/node.h", header("RAGTIME_NODE_H_", '#include "base/files.h"\n'))
        self.expect("layers", "include/ragtime/node.h")

    def test_an_include_relative_to_the_file(self):
        self.append("src/base/files.cc", '#include "files.h"\n')
        self.expect("layers", "src/base/files.cc")

    def test_a_folder_that_the_table_does_not_know(self):
        self.write("src/news/news.cc", SPDX + '#include "base/files.h"\n')
        self.write("src/news/CMakeLists.txt", "x(news.cc)\n")
        self.expect("layers", "src/news/news.cc")

    def test_testing_headers_are_for_tests(self):
        self.append("src/store/store.cc", '#include "testing/folder.h"\n')
        self.expect("layers", "src/store/store.cc")

    def test_a_header_that_only_tests_include_is_for_tests(self):
        body = '#include <gtest/gtest.h>\n#include "testing/folder.h"\n'
        self.write("src/store/check.h", header("RAGTIME_STORE_CHECK_H_", body))
        self.append("src/store/store_test.cc", '#include "store/check.h"\n')
        self.assertEqual(self.findings(), [])
        self.append("src/store/store.cc", '#include "store/check.h"\n')
        self.assertEqual({finding.rule for finding in self.findings()}, {"layers", "third-party"})

    def test_an_example_that_sees_private_headers(self):
        self.write("examples/one.cc", SPDX + '#include "base/files.h"\n')
        self.write("examples/CMakeLists.txt", "x(one.cc)\n")
        self.expect("layers", "examples/one.cc")

    def test_a_third_party_header_in_a_second_folder(self):
        self.append("src/base/files.cc", "#include <sqlite3.h>\n")
        self.expect("third-party", "src/base/files.cc")

    def test_a_third_party_header_that_nobody_listed(self):
        self.append("src/base/files.cc", "#include <boost/asio.hpp>\n")
        self.expect("third-party", "src/base/files.cc")

    def test_the_test_framework_outside_of_tests(self):
        self.append("src/store/store.cc", "#include <gtest/gtest.h>\n")
        self.expect("third-party", "src/store/store.cc")

    def test_the_longest_line_for_a_header_holds(self):
        self.append("tools/layers.txt", "header unicode/ store\nheader unicode/ucnv base\n")
        self.append("src/base/files.cc", "#include <unicode/ucnv.h>\n")
        self.assertEqual(self.findings(), [])
        self.append("src/base/files.cc", "#include <unicode/uchar.h>\n")
        self.expect("third-party", "src/base/files.cc")

    def test_a_source_file_that_no_target_names(self):
        self.write("src/base/left_over.cc", SPDX)
        self.expect("dead file", "src/base/left_over.cc")

    def test_a_name_that_is_only_part_of_a_named_file(self):
        self.write("src/base/les.cc", SPDX)
        self.expect("dead file", "src/base/les.cc")

    def test_a_header_that_nobody_includes(self):
        self.write("src/base/unused.h", header("RAGTIME_BASE_UNUSED_H_"))
        self.expect("dead file", "src/base/unused.h")

    def test_a_file_name_that_says_nothing(self):
        for name in ("string_utils", "helpers", "common", "store_manager", "store_impl"):
            with self.subTest(name):
                self.write(f"src/base/{name}.cc", SPDX)
                self.write("src/base/CMakeLists.txt", f"x(files.cc {name}.cc)\n")
                self.expect("names", f"src/base/{name}.cc")
                (self.root / f"src/base/{name}.cc").unlink()

    def test_a_folder_name_that_says_nothing(self):
        self.write("tools/helpers/run.sh", CLEAN["tools/run.sh"])
        self.expect("names", "tools/helpers/run.sh")

    def test_a_type_name_that_says_nothing(self):
        self.append("src/base/files.cc", "class FileManager {};\n")
        self.expect("names", "src/base/files.cc")

    def test_a_source_file_in_camel_case(self):
        self.write("src/base/TextFile.cc", SPDX)
        self.write("src/base/CMakeLists.txt", "x(files.cc TextFile.cc)\n")
        self.expect("names", "src/base/TextFile.cc")

    def test_a_guard_of_another_file(self):
        self.write("src/base/files.h", header("RAGTIME_FILES_H_"))
        self.expect("guards", "src/base/files.h")

    def test_pragma_once(self):
        self.write("src/base/files.h", SPDX + "#pragma once\n")
        self.expect("guards", "src/base/files.h")

    def test_code_without_a_licence(self):
        for path in ("src/base/files.cc", "tools/run.sh"):
            with self.subTest(path):
                self.write(path, "\n".join(line for line in CLEAN[path].splitlines() if "SPDX" not in line) + "\n")
                self.expect("spdx", path)
                self.write(path, CLEAN[path])

    def test_a_long_line(self):
        self.append("src/base/files.cc", "int a" + "b" * 115 + ";\n")
        self.expect("lines", "src/base/files.cc")

    def test_a_long_line_of_chinese_counts_characters(self):
        self.append("src/base/files.cc", "// " + "字" * 117 + "\n")
        self.assertEqual(self.findings(), [])
        self.append("src/base/files.cc", "// " + "字" * 118 + "\n")
        self.expect("lines", "src/base/files.cc")

    def test_white_space_at_the_end(self):
        self.append("src/base/files.cc", "int a; \n")
        self.expect("lines", "src/base/files.cc")

    def test_no_newline_at_the_end(self):
        self.append("src/base/files.cc", "int a;")
        self.expect("lines", "src/base/files.cc")

    def test_unfinished_work(self):
        for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X"):
            with self.subTest(word):
                self.write("src/base/files.cc", CLEAN["src/base/files.cc"] + f"// {word}: later\n")
                self.expect("unfinished", "src/base/files.cc")

    def test_a_test_that_is_switched_off(self):
        for text in ("TEST(A, DISABLED" + "_B) {}\n", "GTEST" + "_SKIP();\n"):
            with self.subTest(text):
                self.write("src/store/store_test.cc", CLEAN["src/store/store_test.cc"] + text)
                self.expect("switched off", "src/store/store_test.cc")

    def test_a_path_of_a_machine(self):
        for text in ("/wo" + "rk/main/x", "/ro" + "ot/.cache", "/tmp/bo" + "ot"):
            with self.subTest(text):
                self.write("docs/store.md", CLEAN["docs/store.md"] + f"Look into {text}.\n")
                self.expect("machine path", "docs/store.md")

    def test_the_host_of_a_registry(self):
        for text in ("https://py" + "pi.org/simple", "https://deb.debi" + "an.org/debian"):
            with self.subTest(text):
                self.write("docs/store.md", CLEAN["docs/store.md"] + f"From {text}\n")
                self.expect("registry host", "docs/store.md")

    def test_a_link_that_leads_nowhere(self):
        self.append("README.md", "[x](docs/absent.md)\n")
        self.expect("links", "README.md")

    def test_a_link_to_an_absent_heading(self):
        self.append("README.md", "[x](docs/store.md#how-it-fails)\n")
        self.expect("links", "README.md")

    def test_a_path_in_code_marks_that_does_not_exist(self):
        self.append("docs/store.md", "See `src/store/absent.cc`.\n")
        self.expect("links", "docs/store.md")

    def test_links_that_are_right(self):
        self.append(
            "docs/store.md", "[a](../README.md) [b](#how-it-works) `src/*/store.cc` [c](https://example.org/x)\n"
        )
        self.assertEqual(self.findings(), [])


if __name__ == "__main__":
    unittest.main()
