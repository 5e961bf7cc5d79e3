#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One process of another keyword index for bench/keyword_search.py: builds, asks, and prints what it took as JSON.

usage: bench/keyword_peers.py PEER CORPUS QUERIES FOLDER ROUNDS
PEER is tantivy, bm25s, sqlite-fts5 or pisa. CORPUS holds the words of a row a line, QUERIES those of a question; both
are cut at spaces only. A question asks for the rows with any of its words. The time of a question is the least of
ROUNDS, without parsing it where the peer lets us; k1 and b are 1.2 and 0.75 where they can be set.
"""

import json
import pathlib
import sys
import time

LIMITS = (10, 100)


def lines(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def folder_bytes(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


class Tantivy:
    def __init__(self, folder):
        import tantivy

        self.tantivy, self.folder = tantivy, folder
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
        builder.add_integer_field("row", stored=True)
        self.schema = builder.build()

    def build(self, corpus):
        index = self.tantivy.Index(self.schema, path=str(self.folder))
        writer = index.writer(500_000_000, 1)
        for row, line in enumerate(lines(corpus)):
            writer.add_document(self.tantivy.Document(words=line, row=row))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self.searcher = index.searcher()

    def prepare(self, words):
        term = lambda word: self.tantivy.Query.term_query(self.schema, "words", word, index_option="freq")
        return self.tantivy.Query.boolean_query([(self.tantivy.Occur.Should, term(word)) for word in words])

    def ask(self, question, limit):
        return self.searcher.search(question, limit, count=False)

    def rows(self, answer):
        return [self.searcher.doc(address)["row"][0] for _, address in answer.hits]


class Bm25s:
    def __init__(self, folder):
        import bm25s

        self.folder = folder
        self.index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")

    def build(self, corpus):
        self.index.index([line.split() for line in lines(corpus)], show_progress=False)
        self.index.save(str(self.folder))

    def prepare(self, words):
        return [words]

    def ask(self, question, limit):
        return self.index.retrieve(question, k=limit, show_progress=False, n_threads=1)

    def rows(self, answer):
        return [int(row) for row in answer.documents[0]]


class SqliteFts5:
    def __init__(self, folder):
        import sqlite3

        self.base = sqlite3.connect(folder / "fts5.sqlite")
        tokenizer = "unicode61 tokenchars '_-./:@+#~\\'"
        self.base.execute(f"create virtual table rows using fts5(words, content='', tokenize=\"{tokenizer}\")")

    def build(self, corpus):
        with self.base:
            rows = ((row + 1, line) for row, line in enumerate(lines(corpus)))
            self.base.executemany("insert into rows(rowid, words) values(?, ?)", rows)
            self.base.execute("insert into rows(rows) values('optimize')")

    def prepare(self, words):
        return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)

    def ask(self, question, limit):
        return self.base.execute(
            "select rowid from rows where rows match ? order by rank limit ?", (question, limit)
        ).fetchall()

    def rows(self, answer):
        return [row - 1 for (row,) in answer]


class Pisa:
    """Its Python side takes questions as a table; the cheaper way in is the function below that."""

    def __init__(self, folder):
        import pyterrier_pisa

        self.pisa = pyterrier_pisa
        self.index = pyterrier_pisa.PisaIndex(
            str(folder / "pisa"), text_field="text", stemmer="none", stops="none", threads=1, overwrite=True
        )

    def build(self, corpus):
        # PISA cuts words by rules of its own: each gets a name of letters.
        self.index.index(
            {"docno": str(row), "text": " ".join(map(letters, line.split()))} for row, line in enumerate(lines(corpus))
        )
        self.retrievers = {limit: self.index.bm25(k1=1.2, b=0.75, num_results=limit, threads=1) for limit in LIMITS}

    def prepare(self, words):
        import pandas

        return pandas.DataFrame({"qid": ["1"], "query": [" ".join(map(letters, words))]})

    def ask(self, question, limit):
        return self.retrievers[limit](question)

    def rows(self, answer):
        return [int(row) for row in answer.docno]


def letters(word):
    return "q" + "".join("abcdefghijklmnop"[byte >> 4] + "abcdefghijklmnop"[byte & 15] for byte in word.encode())


PEERS = {"tantivy": Tantivy, "bm25s": Bm25s, "sqlite-fts5": SqliteFts5, "pisa": Pisa}
PACKAGES = {"tantivy": "tantivy", "bm25s": "bm25s", "pisa": "pyterrier-pisa"}


def version(name):
    if name == "sqlite-fts5":
        import sqlite3

        return sqlite3.sqlite_version
    from importlib.metadata import version as of

    return of(PACKAGES[name])


def main():
    name, corpus, queries, folder, rounds = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    peer = PEERS[name](folder)
    started = time.perf_counter_ns()
    peer.build(corpus)
    result = {"version": version(name), "build_ms": (time.perf_counter_ns() - started) / 1e6}
    result["bytes"] = folder_bytes(folder)
    questions = [peer.prepare(line.split()) for line in lines(queries)]
    for limit in LIMITS:
        least = [float("inf")] * len(questions)
        hits = []
        for turn in range(int(rounds)):
            for i, question in enumerate(questions):
                started = time.perf_counter_ns()
                answer = peer.ask(question, limit)
                least[i] = min(least[i], (time.perf_counter_ns() - started) / 1e3)
                if turn == 0:
                    hits.append(peer.rows(answer))
        result |= {f"us_{limit}": least, f"hits_{limit}": hits}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
