#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ingestion of HTML pages, all of it, against sentence-transformers' encode() alone: same texts, same weights.

usage: bench/ingest.py BUILD_FOLDER MODELS_FOLDER PAGES_FOLDER --peers VENV [--pages 300] [--runs 5]
PAGES_FOLDER is .../usr/share/doc/postgresql-doc-15/html of Debian's postgresql-doc-15. VENV has torch and
sentence-transformers (bench/peers.sh makes it); MODELS_FOLDER has all-minilm-l6-v2. Runs alternate: A B A B ...
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from start import machine, spread

ENCODE = r"""
import json, sys, time
import sentence_transformers, torch
texts = json.load(open(sys.argv[1]))
model = sentence_transformers.SentenceTransformer(sys.argv[2], device="cpu")
model.encode(texts[:64])
started = time.perf_counter()
vectors = model.encode(texts, batch_size=32, show_progress_bar=False, normalize_embeddings=True)
print(json.dumps({"seconds": time.perf_counter() - started, "texts": len(texts), "threads": torch.get_num_threads(),
                  "versions": f"torch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}"}))
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("pages", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument(
        "--peer-model", type=pathlib.Path, required=True, help="all-MiniLM-L6-v2 as sentence-transformers loads it"
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    binary = arguments.build / "ragtime"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "docs").mkdir()
        for page in sorted(arguments.pages.glob("*.html"))[: arguments.count]:
            shutil.copy(page, folder / "docs")
        environment = {
            "RAGTIME_MODELS": str(arguments.models.resolve()),
            "RAGTIME_EMBED_MODEL": "all-minilm-l6-v2",
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "HF_HUB_OFFLINE": "1",
        }

        def ragtime(kb):
            started = time.perf_counter()
            result = subprocess.run(
                [binary, "ingest", folder / "docs", "--kb", kb, "--json"],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            return time.perf_counter() - started, json.loads(result.stdout)

        _, report = ragtime(folder / "first")  # Also compiles the graph into its cache, as a first use does.
        texts = []
        database = subprocess.run(
            [binary, "files", "--kb", folder / "first", "--json"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert len([row for row in json.loads(database.stdout)["files"] if row["status"] == "ready"]) >= arguments.count
        dumped = subprocess.run(
            [arguments.build / "bench" / "dump_texts", folder / "first"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        texts = json.loads(dumped.stdout)
        (folder / "texts.json").write_text(json.dumps(texts))
        ours, theirs, versions = [], [], ""
        for run in range(arguments.runs):
            kb = folder / f"kb{run}"
            seconds, report = ragtime(kb)
            ours.append(seconds)
            shutil.rmtree(kb)
            peer = json.loads(
                subprocess.run(
                    [arguments.peers / "bin/python", "-c", ENCODE, folder / "texts.json", arguments.peer_model],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            theirs.append(peer["seconds"])
            versions = f"{peer['versions']}, {peer['threads']} threads"
        ratios = [b / a for a, b in zip(ours, theirs)]
        print(f"machine: {machine()}; {versions}")
        print(
            f"{arguments.count} pages, {len(texts)} nodes, {report['source_bytes']} bytes of HTML; "
            f"seconds: median [least to most] of {arguments.runs}"
        )
        print(f"  ragtime ingest, whole process           {spread(ours)}")
        print(f"  sentence-transformers encode() alone    {spread(theirs)}")
        print(
            f"  times faster, pair by pair              {statistics.median(ratios):7.2f} "
            f"[{min(ratios):.2f} to {max(ratios):.2f}]  target >= 2"
        )
    return 0 if statistics.median(ratios) >= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
