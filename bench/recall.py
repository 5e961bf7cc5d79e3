#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well vector, keyword and hybrid search find the section that a heading was taken from, in real documents.

usage: bench/recall.py BUILD_FOLDER MODELS_FOLDER WORK_FOLDER [--postgresql 600] [--questions 500] [--reuse]

Documents: the Debian packages debian-reference-en, debian-reference-zh-cn and postgresql-doc-15 (apt-get download).
Each section becomes a file of its own text, without its heading and without subsections; the heading is the question,
and the file is what must be found. Headings that stand twice or have fewer than 3 characters, and sections of fewer
than 200, are left out. Fusion is chosen on the questions with an even number; the result comes from the odd ones.
"""

import argparse
import hashlib
import html.parser
import json
import math
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess

PACKAGES = ("debian-reference-en", "debian-reference-zh-cn", "postgresql-doc-15")
BLOCKS = {"p", "div", "li", "dt", "dd", "pre", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"}


class Sections(html.parser.HTMLParser):
    """(heading, text) of a page; navigation and the table of contents left out."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.sections, self.heading, self.skipped, self.depth = [], None, None, 0

    def handle_starttag(self, tag, attributes):
        if tag in ("br", "hr", "img", "meta", "link", "input", "col"):
            return
        self.depth += 1
        kind = dict(attributes).get("class") or ""
        if self.skipped is None and (
            tag in ("script", "style", "title") or any(name in kind for name in ("toc", "navheader", "navfooter"))
        ):
            self.skipped = self.depth
        if self.skipped is None and re.fullmatch("h[1-6]", tag):
            self.heading = []
        if tag in BLOCKS and self.sections:
            self.sections[-1][1].append("\n")

    def handle_endtag(self, tag):
        if tag in ("br", "hr", "img", "meta", "link", "input", "col"):
            return
        if self.skipped == self.depth:
            self.skipped = None
        self.depth -= 1
        if self.heading is not None and re.fullmatch("h[1-6]", tag):
            self.sections.append((" ".join("".join(self.heading).split()), []))
            self.heading = None

    def handle_data(self, data):
        if self.skipped is not None:
            return
        if self.heading is not None:
            self.heading.append(data)
        elif self.sections:
            self.sections[-1][1].append(data)


def fetch(work):
    for package in PACKAGES:
        if not (work / "root" / "usr/share/doc" / package).exists():
            subprocess.run(["apt-get", "download", package], cwd=work, check=True, capture_output=True)
            subprocess.run(["dpkg-deb", "-x", next(work.glob(f"{package}_*.deb")), work / "root"], check=True)
    share = work / "root/usr/share"
    return {
        "debian-en": sorted((share / "debian-reference").glob("*.en.html")),
        "debian-zh": sorted((share / "debian-reference").glob("*.zh-cn.html")),
        "postgresql": sorted((share / "doc/postgresql-doc-15/html").glob("*.html")),
    }


def clean(heading):
    heading = re.sub(r"^(Chapter|Appendix|Part|第)?\s*[\dA-Z]+([.\-]\d+)*\s*[章.]\s*", "", heading)
    return heading.strip(" .")


def make_documents(work, most_postgresql):
    questions = []
    documents = work / "documents"
    shutil.rmtree(documents, ignore_errors=True)
    for corpus, pages in fetch(work).items():
        found = []
        for page in pages:
            parser = Sections()
            parser.feed(page.read_text(encoding="utf-8", errors="replace"))
            for heading, parts in parser.sections:
                lines = [" ".join(line.split()) for line in "".join(parts).split("\n")]
                text = "\n".join(line for line in lines if line)
                if len(text) >= 200 and len(clean(heading)) >= 3 and page.name != "bookindex.html":
                    found.append((clean(heading), text))
        counts = {}
        for heading, _ in found:
            counts[heading.lower()] = counts.get(heading.lower(), 0) + 1
        found = [(heading, text) for heading, text in found if counts[heading.lower()] == 1]
        if corpus == "postgresql" and len(found) > most_postgresql:
            found = random.Random(1).sample(found, most_postgresql)
        (documents / corpus).mkdir(parents=True)
        for heading, text in found:
            name = f"{corpus}/{hashlib.sha1(text.encode()).hexdigest()[:12]}.txt"
            (documents / name).write_text(text + "\n", encoding="utf-8")
            questions.append((corpus, heading, name))
    return documents, questions


def scores(ranks):
    """recall@10, MRR and nDCG@10 with one relevant file; MRR over what is looked at (10 files)."""
    hits = [rank for rank in ranks if 0 < rank <= 10]
    count = max(1, len(ranks))
    return (
        len(hits) / count,
        sum(1 / rank for rank in hits) / count,
        sum(1 / math.log2(1 + rank) for rank in hits) / count,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--postgresql", type=int, default=600, help="sections of it at most")
    parser.add_argument("--questions", type=int, default=500, help="asked at most; all sections stay to be found")
    parser.add_argument("--reuse", action="store_true", help="the knowledge base of an earlier run")
    arguments = parser.parse_args()
    build, work = arguments.build.resolve(), arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    documents, questions = make_documents(work, arguments.postgresql)
    environment = dict(os.environ, RAGTIME_MODELS=str(arguments.models.resolve()))
    if not arguments.reuse:
        shutil.rmtree(work / "kb", ignore_errors=True)
    report = json.loads(
        subprocess.run(
            [build / "ragtime", "ingest", documents, "--kb", work / "kb", "--json"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        ).stdout
    )
    sections = len(questions)
    if len(questions) > arguments.questions:
        questions = sorted(random.Random(2).sample(questions, arguments.questions))
    print(f"{sections} sections, {report['nodes_added']} nodes new, {len(questions)} questions")
    (work / "questions.tsv").write_text("".join(f"{question}\t{name}\n" for _, question, name in questions))

    both = (
        "retrievers: [{name: vector, similarity: cosine, weight: %g}, {name: keyword, similarity: bm25, weight: %g}]\n"
    )
    tried = {"vector": "search: {route: vector}\n", "keyword": "search: {route: keyword}\n", "hybrid": "{}\n"}
    for weight in (0.5, 1, 2):
        for k in (10, 60):
            tried[f"rrf k={k} keyword x{weight}"] = both % (1, weight) + f"fusion: {{k: {k}}}\n"
        for scale in ("minmax", "zscore"):
            tried[f"{scale} keyword x{weight}"] = both % (1, weight) + f"fusion: {{type: weighted, scale: {scale}}}\n"
    # Several nodes of a file may be hits, so that more than ten nodes are looked at for ten files.
    files = []
    for i, text in enumerate(tried.values()):
        files.append(work / f"{i}.yaml")
        top_k = "search: {top_k: 40}\n" if "search" not in text else text.replace("search: {", "search: {top_k: 40, ")
        files[-1].write_text(top_k + (text if "search" not in text and text != "{}\n" else ""))
    lines = subprocess.run(
        [build / "bench" / "recall", work / "kb", work / "questions.tsv", *files],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout.splitlines()
    results = dict(zip(tried, map(json.loads, lines)))

    def of(name, parity, corpus=None):
        ranks = results[name]["ranks"]
        return scores([r for i, r in enumerate(ranks) if i % 2 == parity and corpus in (None, questions[i][0])])

    best = max((name for name in tried if name not in ("vector", "keyword", "hybrid")), key=lambda name: of(name, 0)[2])
    print("\nchosen on the even half, by nDCG@10; the five best:")
    for name in sorted(tried, key=lambda name: -of(name, 0)[2])[:5]:
        print("  %-28s nDCG@10 %.4f" % (name, of(name, 0)[2]))
    print("\non the odd half:\n| corpus | configuration | recall@10 | MRR | nDCG@10 |\n|---|---|---|---|---|")
    for corpus in (None, *dict.fromkeys(corpus for corpus, _, _ in questions)):
        for name in ("vector", "keyword", "hybrid", best):
            print("| %s | %s | %.3f | %.3f | %.3f |" % (corpus or "all", name, *of(name, 1, corpus)))
    print("\n| configuration | p50 ms | stages, p50 ms |\n|---|---|---|")
    for name in ("vector", "keyword", "hybrid", best):
        stages = ", ".join(
            f"{stage} {statistics.median(ms):.2f}"
            for stage, ms in results[name]["stages"].items()
            if stage not in ("open", "total")
        )
        print(f"| {name} | {statistics.median(results[name]['ms']):.2f} | {stages} |")


if __name__ == "__main__":
    main()
