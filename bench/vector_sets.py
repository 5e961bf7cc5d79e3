#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes larger sets out of real vectors, with a spectrum like theirs, for bench/vector.py and bench/vector_disk.py.

    VENV/bin/python bench/vector_sets.py VECTORS QUERIES WORK ROWS [--dimension 768]

VECTORS and QUERIES hold float32, row by row, 384 to a row, of length 1. WORK/NAME.f32 and WORK/NAME.queries.f32 are
written, NAME being ROWS x DIMENSION. Rows beyond those of VECTORS are made as bench/disk_search.cc makes them: each is
one of them, moved by a mix of eight differences of rows that follow each other, which are texts of one subject. More
dimensions come from a random linear map and noise, whose variances fall off as those of such differences do; the
queries go through the same map.
"""
import argparse
import pathlib

import numpy as np

FROM = 384
MIXED = 8
PIECE = 20000
NOISE = 0.5  # Length of the noise of --dimension, in differences of rows that follow each other.


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Wider:
    def __init__(self, differences, dimension, random):
        self.random = random
        self.map = random.standard_normal((FROM, dimension), dtype=np.float32) / np.float32(np.sqrt(dimension))
        spectrum = np.linalg.eigvalsh(np.cov(differences[:20000].T))[::-1].clip(0)
        spread = np.interp(np.linspace(0, FROM - 1, dimension), np.arange(FROM), spectrum)
        spread *= NOISE**2 * spectrum.sum() / spread.sum()
        turned = np.linalg.qr(random.standard_normal((dimension, dimension)))[0]
        self.noise = (np.sqrt(spread)[:, None] * turned).astype(np.float32)

    def of(self, rows):
        noise = self.random.standard_normal((len(rows), len(self.noise)), dtype=np.float32)
        return unit(rows @ self.map + noise @ self.noise)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=pathlib.Path)
    parser.add_argument("queries", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("--dimension", type=int, default=FROM)
    args = parser.parse_args()
    base = np.fromfile(args.vectors, dtype=np.float32).reshape(-1, FROM)
    queries = np.fromfile(args.queries, dtype=np.float32).reshape(-1, FROM)
    random = np.random.default_rng(1)
    differences = base[1:] - base[:-1]
    wider = Wider(differences, args.dimension, random) if args.dimension != FROM else None
    args.work.mkdir(parents=True, exist_ok=True)
    name = f"{args.rows}x{args.dimension}"
    part = args.work / f"{name}.f32.part"
    with open(part, "wb") as out:
        for start in range(0, args.rows, PIECE):
            which = np.arange(start, min(start + PIECE, args.rows))
            rows = base[which % len(base)]
            moved = np.zeros_like(rows)
            for _ in range(MIXED):
                weights = random.standard_normal((len(rows), 1), dtype=np.float32) / np.float32(np.sqrt(2 * MIXED))
                moved += weights * differences[random.integers(len(differences), size=len(rows))]
            rows = unit(rows + np.where((which < len(base))[:, None], 0, moved)).astype(np.float32)
            (wider.of(rows) if wider else rows).astype(np.float32).tofile(out)
    part.rename(part.with_suffix(""))
    (wider.of(queries) if wider else queries).astype(np.float32).tofile(args.work / f"{name}.queries.f32")


if __name__ == "__main__":
    main()
