#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One process of another keyword index for bench/keyword_search.py: builds or asks, and prints what it took as JSON.

usage: bench/keyword_peers.py PEER build CORPUS FOLDER
       bench/keyword_peers.py PEER ask QUESTIONS FOLDER ROUNDS SECONDS
PEER is tantivy, bm25s, sqlite-fts5 or pisa. CORPUS holds the words of a row a line, QUESTIONS those of a question; both
are cut at spaces only. A question asks for the rows with any of its words. The time of a question is the least of
ROUNDS, of as many as SECONDS let, without parsing it where the peer lets us; where not even one round fits, only the
first questions are asked. k1 and b are 1.2 and 0.75 where they can be set.
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

    def open(self):
        self.searcher = self.tantivy.Index.open(str(self.folder)).searcher()

    def prepare(self, words, limit):
        term = lambda word: self.tantivy.Query.term_query(self.schema, "words", word, index_option="freq")
        return self.tantivy.Query.boolean_query([(self.tantivy.Occur.Should, term(word)) for word in words])

    def ask(self, question, limit):
        return self.searcher.search(question, limit, count=False)

    def rows(self, answer):
        return [self.searcher.doc(address)["row"][0] for _, address in answer.hits]


class Bm25s:
    def __init__(self, folder):
        import bm25s

        self.bm25s, self.folder = bm25s, folder

    def build(self, corpus):
        # Each distinct word once in memory, since all rows are there at the same time.
        numbers = {}
        ids = [[numbers.setdefault(word, len(numbers)) for word in line.split()] for line in lines(corpus)]
        index = self.bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
        index.index((ids, numbers), show_progress=False)
        index.save(str(self.folder))

    def open(self):
        self.index = self.bm25s.BM25.load(str(self.folder), load_corpus=False)

    def prepare(self, words, limit):
        return [words]

    def ask(self, question, limit):
        return self.index.retrieve(question, k=limit, show_progress=False, n_threads=1)

    def rows(self, answer):
        return [int(row) for row in answer.documents[0]]


class SqliteFts5:
    def __init__(self, folder):
        import sqlite3

        self.sqlite3, self.path = sqlite3, folder / "fts5.sqlite"

    def build(self, corpus):
        self.open()
        tokenizer = "unicode61 tokenchars '_-./:@+#~\\'"
        self.base.execute(f"create virtual table rows using fts5(words, content='', tokenize=\"{tokenizer}\")")
        with self.base:
            rows = ((row + 1, line) for row, line in enumerate(lines(corpus)))
            self.base.executemany("insert into rows(rowid, words) values(?, ?)", rows)
            self.base.execute("insert into rows(rows) values('optimize')")

    def open(self):
        self.base = self.sqlite3.connect(self.path)

    def prepare(self, words, limit):
        return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)

    def ask(self, question, limit):
        return self.base.execute(
            "select rowid from rows where rows match ? order by rank limit ?", (question, limit)
        ).fetchall()

    def rows(self, answer):
        return [row - 1 for (row,) in answer]


class Pisa:
    """Asked below its tables, which take longer than the search, in the form that they hand down."""

    def __init__(self, folder):
        import pyterrier_pisa

        self.pisa, self.folder = pyterrier_pisa, str(folder / "pisa")

    def build(self, corpus):
        index = self.pisa.PisaIndex(
            self.folder, text_field="text", stemmer="none", stops="none", threads=1, overwrite=True
        )
        # PISA cuts words by rules of its own: each gets a name of letters.
        names = Names()
        index.index(
            {"docno": str(row), "text": " ".join([names[word] for word in line.split()])}
            for row, line in enumerate(lines(corpus))
        )

    def open(self):
        import numpy

        index = self.pisa.PisaIndex(self.folder, stemmer="none", stops="none", threads=1)
        self.retriever = index.bm25(k1=1.2, b=0.75, num_results=max(LIMITS), threads=1)
        most = max(LIMITS)
        self.numbers, self.ranks = numpy.empty(most, numpy.int32), numpy.empty(most, numpy.int32)
        self.names, self.scores = numpy.empty(most, object), numpy.empty(most, numpy.float32)

    def prepare(self, words, limit):
        return [(0, {letters(word): 1.0 for word in words})]

    def ask(self, question, limit):
        return self.pisa._pisathon.retrieve(
            self.retriever._ctxt, self.retriever.query_algorithm.value, question, k=limit, threads=1, query_weighted=0,
            pretokenised=True, result_qidxs=self.numbers, result_docnos=self.names, result_ranks=self.ranks,
            result_scores=self.scores,
        )

    def rows(self, answer):
        return [int(row) for row in self.names[:answer]]


def letters(word):
    return "q" + "".join("abcdefghijklmnop"[byte >> 4] + "abcdefghijklmnop"[byte & 15] for byte in word.encode())


class Names(dict):
    def __missing__(self, word):
        self[word] = letters(word)
        return self[word]


PEERS = {"tantivy": Tantivy, "bm25s": Bm25s, "sqlite-fts5": SqliteFts5, "pisa": Pisa}
PACKAGES = {"tantivy": "tantivy", "bm25s": "bm25s", "pisa": "pyterrier-pisa"}


def version(name):
    if name == "sqlite-fts5":
        import sqlite3

        return sqlite3.sqlite_version
    from importlib.metadata import version as of

    return of(PACKAGES[name])


def now_ms():
    return time.perf_counter_ns() / 1e6


def build(peer, corpus, folder):
    folder.mkdir(parents=True)
    started = now_ms()
    peer.build(corpus)
    return {"build_ms": now_ms() - started, "bytes": folder_bytes(folder)}


def measure(peer, questions, limit, rounds, seconds):
    """The times of the questions that were asked in time, at least one, and what was found."""
    prepared = [peer.prepare(question, limit) for question in questions]
    least, hits = [], []
    end = now_ms() + 1000 * seconds
    for turn in range(rounds):
        for i, question in enumerate(prepared if turn == 0 else prepared[: len(least)]):
            if least and now_ms() > end:
                return least, hits
            started = time.perf_counter_ns()
            answer = peer.ask(question, limit)
            us = (time.perf_counter_ns() - started) / 1e3
            if turn == 0:
                least.append(us)
                hits.append(peer.rows(answer))
            least[i] = min(least[i], us)
    return least, hits


def ask(peer, questions, rounds, seconds):
    questions = [line.split() for line in lines(questions)]
    started = now_ms()
    peer.open()
    opened = now_ms()
    peer.ask(peer.prepare(questions[0], LIMITS[0]), LIMITS[0])
    result = {"open_ms": opened - started, "first_ms": now_ms() - opened}
    for limit in LIMITS:
        result[f"us_{limit}"], result[f"hits_{limit}"] = measure(peer, questions, limit, rounds, seconds)
    return result


def main():
    name, verb, source, folder, *rest = sys.argv[1:]
    folder = pathlib.Path(folder)
    peer = PEERS[name](folder)
    if verb == "build":
        result = build(peer, source, folder)
    else:
        result = ask(peer, source, int(rest[0]), float(rest[1]))
    print(json.dumps({"version": version(name)} | result))


if __name__ == "__main__":
    main()
