#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well vector, keyword and hybrid search find what real documents say belongs to a question.

usage: bench/recall.py BUILD_FOLDER MODELS_FOLDER WORK_FOLDER [--sets headings,index,twins] [--questions 500]

bench/recall_sets.py says what the sets are. Fusion is chosen on the questions with an even number, over all sets that
are measured; the results come from the odd ones. recall@10 is the share of the files to be found among the first ten
files, MRR looks at those ten. WORK_FOLDER keeps the knowledge bases; another run asks them again.
"""

import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess

import recall_sets

BOTH = "retrievers: [{name: vector, similarity: cosine, weight: 1}, {name: keyword, similarity: bm25, weight: %g}]\n"
# Several nodes of a file may be hits, so that more than ten nodes are looked at for ten files.
NODES = 40


def configurations():
    tried = {
        "vector": f"search: {{top_k: {NODES}, route: vector}}\n",
        "keyword": f"search: {{top_k: {NODES}, route: keyword}}\n",
        "hybrid": f"search: {{top_k: {NODES}}}\n",
    }
    for weight in (0.5, 1, 2):
        both = tried["hybrid"] + BOTH % weight
        for k in (10, 60):
            tried[f"rrf k={k} keyword x{weight}"] = both + f"fusion: {{type: rrf, k: {k}}}\n"
        for scale in ("minmax", "zscore"):
            tried[f"{scale} keyword x{weight}"] = both + f"fusion: {{type: weighted, scale: {scale}}}\n"
    return tried


def scores(found):
    """recall@10, MRR and nDCG@10 of the ranks of each question's files."""
    recall = reciprocal = gain = 0
    for ranks in found:
        hits = sorted(rank for rank in ranks if 0 < rank <= 10)
        recall += len(hits) / len(ranks)
        reciprocal += 1 / hits[0] if hits else 0
        best = sum(1 / math.log2(2 + i) for i in range(min(10, len(ranks))))
        gain += sum(1 / math.log2(1 + rank) for rank in hits) / best
    count = max(1, len(found))
    return recall / count, reciprocal / count, gain / count


class Measured:
    """One set, asked under every configuration."""

    def __init__(self, name, tried, arguments, environment):
        build, work = arguments.build.resolve(), arguments.work.resolve()
        documents, questions = recall_sets.make(name, work, arguments.postgresql)
        knowledge_base = work / name / "kb"
        ingest = [build / "ragtime", "ingest", documents, "--kb", knowledge_base, "--json"]
        report = json.loads(subprocess.run(ingest, check=True, capture_output=True, env=environment).stdout)
        files = len(list(documents.rglob("*.txt")))
        known = len(questions)
        if known > arguments.questions:
            questions = sorted(random.Random(2).sample(questions, arguments.questions))
        print(f"{name}: {files} files, {report['nodes_added']} nodes new,", f"{len(questions)} of {known} questions")
        asked = work / name / "questions.tsv"
        asked.write_text("".join("\t".join([question, *names]) + "\n" for _, question, names in questions))
        paths = []
        for i, text in enumerate(tried.values()):
            paths.append(work / name / f"{i}.yaml")
            paths[-1].write_text(text)
        command = [build / "bench" / "recall", knowledge_base, asked, *paths]
        asking = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        self.name, self.results = name, dict(zip(tried, map(json.loads, asking.stdout.splitlines())))
        self.corpora = [corpus for corpus, _, _ in questions]

    def of(self, configuration, parity, corpus=None):
        ranks = self.results[configuration]["ranks"]
        return scores([r for i, r in enumerate(ranks) if i % 2 == parity and corpus in (None, self.corpora[i])])

    def print_table(self, names):
        print(f"\n{self.name}, the odd half:")
        print("| corpus | configuration | recall@10 | MRR | nDCG@10 |\n|---|---|---|---|---|")
        parts = list(dict.fromkeys(self.corpora))
        for corpus in [None, *(parts if len(parts) > 1 else ())]:
            for name in names:
                print("| %s | %s | %.3f | %.3f | %.3f |" % (corpus or "all", name, *self.of(name, 1, corpus)))
        print("\n| configuration | p50 ms | stages, p50 ms |\n|---|---|---|")
        for name in names:
            stages = ", ".join(
                f"{stage} {statistics.median(ms):.2f}"
                for stage, ms in self.results[name]["stages"].items()
                if stage not in ("open", "total")
            )
            print(f"| {name} | {statistics.median(self.results[name]['ms']):.2f} | {stages} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--sets", default=",".join(recall_sets.SETS))
    parser.add_argument("--postgresql", type=int, default=600, help="sections of it at most, in the set headings")
    parser.add_argument("--questions", type=int, default=500, help="asked at most; all documents stay to be found")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, RAGTIME_MODELS=str(arguments.models.resolve()))
    tried = configurations()
    sets = [Measured(name, tried, arguments, environment) for name in arguments.sets.split(",")]

    def chosen_by(name):
        return statistics.mean(measured.of(name, 0)[2] for measured in sets)

    order = sorted((name for name in tried if name not in ("vector", "keyword")), key=chosen_by, reverse=True)
    print("\nchosen on the even halves, by the mean of nDCG@10; hybrid is the default; the five best:")
    for name in order[:5]:
        each = "  ".join("%s %.4f" % (measured.name, measured.of(name, 0)[2]) for measured in sets)
        print("  %-28s %.4f  %s" % (name, chosen_by(name), each))
    for measured in sets:
        measured.print_table(["vector", "keyword", "hybrid", next(name for name in order if name != "hybrid")])


if __name__ == "__main__":
    main()
