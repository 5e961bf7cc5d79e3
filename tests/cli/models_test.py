# SPDX-License-Identifier: Apache-2.0
"""Goal: `ragtime models quantize` and `compare` on the real language model: what they print holds to its schema, the
smaller model answers by its name, and the plot shows every model.

Run by ctest: models_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from command_line import DOCUMENTS, SOURCE, checked, run


class Models(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragtime_models_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.weights = pathlib.Path(os.environ["RAGTIME_MODELS"]) / "smollm2-135m-instruct"
        self.environment = {
            "RAGTIME_MODELS": str(self.folder / "models"),
            "RAGTIME_CACHE": str(self.folder / "cache"),
        }

    def run_it(self, *arguments):
        return run(*arguments, timeout=600, environment=self.environment)

    def checked(self, name, *arguments):
        result = self.run_it(*arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return checked(result, name), result.stderr

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
        drawn = xml.etree.ElementTree.parse(plot).getroot()
        circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(circles), 8)  # Two models in four panels.
        names = [text for text in drawn.iterfind("{http://www.w3.org/2000/svg}text") if text.text == "small-q4_0"]
        self.assertEqual(len(names), 4)
        lowest = max(float(circle.get("cy")) for circle in circles)
        self.assertGreater(min(float(name.get("y")) for name in names), lowest, "no name is written over a point")
        self.assertLess(max(float(name.get("y")) for name in names), float(drawn.get("height")))

        # What matters to one's own documents is kept more exact.
        kb = self.folder / "kb"
        self.assertEqual(self.run_it("ingest", DOCUMENTS, "--kb", kb).returncode, 0)
        command = ("models", "quantize", "small", "Q4_0", "--as", "weighed", "--importance", kb, "--tokens", 1024)
        weighed, _ = self.checked("models-quantize", *command)
        self.assertEqual((report["importance_tokens"], weighed["importance_tokens"]), (0, 1024))
        self.assertNotEqual(weighed["to"]["sha256"], report["to"]["sha256"])
        self.assertAlmostEqual(weighed["to"]["size_bytes"] / report["to"]["size_bytes"], 1, delta=0.01)
        command = ("models", "quantize", "small", "Q8_0", "--as", "same", "--importance", SOURCE / "README.md")
        wrong = self.run_it(*command)
        self.assertEqual(wrong.returncode, 2, wrong.stderr)
        self.assertIn("Q8_0 keeps everything alike", wrong.stderr)
        wrong = self.run_it("models", "quantize", "small", "Q4_0", "--as", "same", "--importance", self.folder / "none")
        self.assertEqual(wrong.returncode, 1, wrong.stderr)
        self.assertIn("none", wrong.stderr)

        text = self.folder / "documents" / "note.txt"
        text.parent.mkdir()
        text.write_text("too short")
        result = self.run_it("models", "compare", "small", "--text", text)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("give a longer text", result.stderr)
        listed = self.checked("models-list", "models", "list")[0]["models"]
        self.assertLessEqual({"small", "small-q4_0"}, {model["name"] for model in listed})

    def test_what_is_fastest_here_is_measured_and_kept(self):
        self.checked("models-show", "models", "add", self.weights, "--as", "measured", "--link")

        def threads_as_the_doctor_says():
            environment = {**self.environment, "RAGTIME_LLM_MODEL": "measured"}
            findings = checked(run("doctor", "--json", environment=environment), "doctor")["findings"]
            return next(f for f in findings if f["name"] == "threads of the language model")["detail"]

        self.assertIn("ragtime models tune measured", threads_as_the_doctor_says())
        tuned, _ = self.checked("models-tune", "models", "tune", "measured")
        self.assertEqual(tuned["speeds"][-1]["threads"], tuned["cores"])
        self.assertIn(tuned["threads"], [row["threads"] for row in tuned["speeds"]])
        self.assertIn(tuned["read_threads"], [row["threads"] for row in tuned["speeds"]])
        self.assertEqual([row["tokens"] for row in tuned["batches"]], [512, 256, 128])
        self.assertGreater(min(tuned["f16_tokens_per_s"], tuned["q8_0_tokens_per_s"]), 0)
        self.assertTrue(pathlib.Path(tuned["record"]).is_file())
        threads, reading, batch = (tuned[name] for name in ("threads", "read_threads", "batch_tokens"))
        kept = f"writes with {threads}, reads with {reading} in batches of {batch}"
        self.assertIn(kept, threads_as_the_doctor_says())
        wrong = self.run_it("models", "tune", "all-minilm-l6-v2")
        self.assertEqual(wrong.returncode, 2, wrong.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
