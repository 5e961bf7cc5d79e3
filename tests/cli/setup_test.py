# SPDX-License-Identifier: Apache-2.0
"""Goal: `init`, `doctor` and `models` lead from a bare machine to a configuration that works.

Run by ctest: setup_test.py BINARY SOURCE_DIR [unittest arguments].
"""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from command_line import BINARY, SOURCE, CommandLine, checked, run


class Setup(CommandLine):
    def test_init_config_and_doctor(self):
        folder = self.scratch()
        self.assertEqual(run("init", folder / "ragtime.yaml").returncode, 0)
        self.assertFails(run("init", folder / "ragtime.yaml"), "exists")
        (folder / "docs").mkdir()
        (folder / "docs/a.txt").write_text("Badgers dig at night.\n")
        result = run("ingest", "--config", folder / "ragtime.yaml", "--json", cwd="/")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((folder / "kb/catalog.sqlite").exists())
        hits = checked(run("search", "badgers", "--config", folder / "ragtime.yaml", "--json"), "search")["hits"]
        self.assertEqual(hits[0]["file"], "a.txt")
        # What the file leaves out has its default, the knowledge base beside the file too.
        (folder / "sub").mkdir()
        (folder / "sub/short.yaml").write_text("search: {top_k: 3}\n")
        result = run("ingest", folder / "docs", "--config", "short.yaml", cwd=folder / "sub")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((folder / "sub/kb/catalog.sqlite").exists())
        self.assertIn("a.txt", run("search", "badgers", "--config", folder / "sub/short.yaml").stdout)
        (folder / "typo.yaml").write_text("serch: {top_k: 3}\n")
        self.assertFails(
            run("search", "x", "--config", folder / "typo.yaml", "--kb", folder / "kb"), "serch", code=(2,)
        )
        doctor = run("doctor", "--kb", folder / "kb", "--json")
        findings = checked(doctor, "doctor")["findings"]
        self.assertEqual(
            {finding["area"] for finding in findings}, {"cpu", "memory", "disk", "model", "knowledge base"}
        )
        self.assertEqual(doctor.returncode, 0, findings)

    def test_the_reference_of_the_command_line_is_what_help_says(self):
        command = [sys.executable, SOURCE / "tools/command_reference.py", BINARY]
        page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        written = SOURCE / "docs/reference/command-line.md"
        self.assertEqual(page, written.read_text(), f"run tools/command_reference.py BINARY > {written}")
        self.assertIn("## ragtime models compare", page)
        self.assertNotIn("Example:", run("ask", "--help").stdout)

    def test_doctor_says_which_number_formats_are_native(self):
        findings = checked(run("doctor", "--json"), "doctor")["findings"]
        details = [f["detail"] for f in findings if f["area"] == "cpu" and f["name"] == "number formats"]
        self.assertEqual(len(details), 1)
        for name in ("FP32", "TF32", "BF16", "FP16", "FP8", "INT8", "INT4"):
            self.assertIn(name, details[0])
        flags = pathlib.Path("/proc/cpuinfo").read_text()
        native = details[0].split("; converted first: ")[0]
        self.assertEqual("BF16 (AMX" in native, "amx_bf16" in flags, details[0])

    def test_doctor_says_how_many_threads_all_models_share(self):
        cores = len(os.sched_getaffinity(0))
        for threads, health in (("0", "good"), ("1", "good"), ("1000", "limited")):
            result = run("doctor", "--json", environment={"RAGTIME_THREADS": threads})
            found = [f for f in checked(result, "doctor")["findings"] if f["name"] == "threads"]
            self.assertEqual([f["health"] for f in found], [health])
            number = threads if threads != "0" else str(cores)
            self.assertTrue(found[0]["detail"].startswith(f"{number} for embedder, language model and"), found)

    def test_models_come_into_the_folder_and_are_listed(self):
        folder = self.scratch()
        settings = {"RAGTIME_MODELS": str(folder / "mine")}
        weights = pathlib.Path(os.environ["RAGTIME_MODELS"]) / "smollm2-135m-instruct" / "model.gguf"
        command = ("models", "add", weights, "--as", "small", "--link", "--json")
        added = checked(run(*command, environment=settings), "models-show")["model"]
        self.assertEqual((added["architecture"], added["type"], added["context_tokens"]), ("llama", "Q8_0", 8192))
        listed = checked(run("models", "list", "--json", environment=settings), "models-list")["models"]
        self.assertIn(added["path"], [model["path"] for model in listed])
        self.assertFails(run(*command, environment=settings), "there is a model small")
        self.assertFails(run("models", "show", "absent", environment=settings), "absent")
        self.assertFails(run("models", "quantize", "small", "Q3", environment=settings), "there is no type Q3")
        self.assertFails(run("models", "compare", "small", environment=settings), "no text to compare on")
        self.assertFails(run("models", "compare", "small", "--plot", "a.png", environment=settings), "SVG")
        # Answers are made with it by its name.
        settings["RAGTIME_LLM_MODEL"] = "small"
        command = ("ask", "What is a book?", "--kb", self.kb, "--mode", "generate", "--json", "--no-stream")
        settings["RAGTIME_LLM_MAX_TOKENS"] = "4"
        settings["RAGTIME_LLM_KV_TYPE"] = "q8_0"
        self.assertGreater(len(checked(run(*command, environment=settings), "ask")["answer"]), 0)
        settings["RAGTIME_LLM_GPU_LAYERS"] = "9"
        settings["RAGTIME_CACHE_TYPE"] = "none"
        if not shutil.which("nvidia-smi"):
            self.assertFails(run(*command, environment=settings), "llm.gpu_layers is 9", "--cuda")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
