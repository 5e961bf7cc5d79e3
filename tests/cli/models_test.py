# SPDX-License-Identifier: Apache-2.0
"""Goal: `ragtime models quantize` and `compare` on the real language model: what they print holds to its schema, the
smaller model answers by its name, and the plot shows every model.

Run by ctest: models_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import schema_check

BINARY = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()


class Models(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_models_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.weights = pathlib.Path(os.environ["RAGTIME_MODELS"]) / "smollm2-135m-instruct"

    def run_it(self, *arguments):
        variables = {k: v for k, v in os.environ.items() if not k.startswith("RAGTIME_")}
        variables["RAGTIME_MODELS"] = str(self.folder / "models")
        return subprocess.run(
            [str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=600, env=variables
        )

    def checked(self, name, *arguments):
        result = self.run_it(*arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        value = json.loads(result.stdout)
        schema_check.check(value, json.loads((SOURCE / "docs/reference/json" / f"{name}.schema.json").read_text()))
        return value, result.stderr

    def test_a_smaller_model_is_made_and_compared(self):
        self.checked("models-show", "models", "add", self.weights, "--as", "small", "--link")
        report, warnings = self.checked("models-quantize", "models", "quantize", "small", "Q4_0")
        self.assertEqual((report["to"]["name"], report["to"]["type"]), ("small-q4_0", "Q4_0"))
        self.assertTrue(report["requantized"])
        self.assertIn("warning: small is Q8_0 already", warnings)
        shown = self.checked("models-show", "models", "show", "small-q4_0")[0]["model"]
        self.assertEqual(shown["sha256"], report["to"]["sha256"])
        # What the old description said of languages and citations holds for the new one.
        description = json.loads((pathlib.Path(shown["path"]) / "model.json").read_text())
        self.assertEqual((description["languages"], description["cites"]), (["en"], False))

        plot = self.folder / "plot.svg"
        command = ("models", "compare", "small", "small-q4_0", "--text", SOURCE / "README.md", "--tokens", "512")
        rows = self.checked("models-compare", *command, "--plot", plot)[0]["models"]
        self.assertEqual([row["model"]["name"] for row in rows], ["small", "small-q4_0"])
        self.assertEqual((rows[0]["kl_mean"], rows[0]["agreement"]), (0, 1))
        self.assertGreater(rows[1]["kl_mean"], 0)
        self.assertEqual(rows[1]["text_tokens"], 256)
        circles = xml.etree.ElementTree.parse(plot).getroot().findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(circles), 4)  # Two models in two panels.

        text = self.folder / "documents" / "note.txt"
        text.parent.mkdir()
        text.write_text("too short")
        result = self.run_it("models", "compare", "small", "--text", text)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("give a longer text", result.stderr)
        listed = self.checked("models-list", "models", "list")[0]["models"]
        self.assertLessEqual({"small", "small-q4_0"}, {model["name"] for model in listed})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
