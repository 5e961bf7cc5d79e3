# SPDX-License-Identifier: Apache-2.0
"""The generated nodes that every side of bench/store.py stores, as bench/store_generate wrote them. Needs numpy."""

import pathlib

import numpy as np

DIMENSION = 384
NODES_PER_DOCUMENT = 10


def word_of(row):
    """The word that a row's text starts with."""
    return "q" + str(row).translate(str.maketrans("0123456789", "bcdfghjklm"))


def row_of(word):
    return int("".join(str("bcdfghjklm".index(letter)) for letter in word[1:]))


class Data:
    """The first `rows` rows, mapped."""

    def __init__(self, folder, rows):
        folder = pathlib.Path(folder)
        self.rows = rows
        self.vectors = np.memmap(folder / "vectors.f32", "<f4", "r", shape=(rows, DIMENSION))
        self.queries = np.fromfile(folder / "queries.f32", "<f4").reshape(-1, DIMENSION)
        self.offsets = np.fromfile(folder / "texts.idx", "<u8", count=rows + 1)
        self.bytes = np.memmap(folder / "texts.bin", "u1", "r")
        self.folder = folder

    def text(self, row):
        return self.bytes[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def texts(self, start, stop):
        return [self.text(row) for row in range(start, stop)]

    def fields(self):
        """One dict for each row."""
        documents = []
        with open(self.folder / "fields.tsv") as lines:
            for _, line in zip(range(-(-self.rows // NODES_PER_DOCUMENT)), lines):
                year, author, draft, score = line.split("\t")
                documents.append(
                    {"year": int(year), "author": author, "draft": draft == "1", "score": float(score)}
                )
        return [documents[row // NODES_PER_DOCUMENT] for row in range(self.rows)]

