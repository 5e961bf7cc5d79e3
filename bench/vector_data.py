#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the real vectors that bench/vector.py searches, out of Debian's documentation packages.

    bench/vector_data.py BUILD MODELS WORK [--rows 200000] [--piece 4000] [--all] [--sentence-transformers MODEL]
    bench/vector_data.py BUILD MODELS WORK --foreign

Pages of the packages below (apt-get download) become passages of whole sentences with about 64 tokens, each once; the
model of MODELS/all-minilm-l6-v2 embeds them through bench/embed_texts of the BUILD. Headings of the same pages, which
no passage holds, are the 1,000 queries. The pages come in a random order that is always the same, so that a smaller
set has the same mixture. Everything lies in WORK (outside of the tree): texts.txt, headings.txt, base.f32,
queries.f32. Each call embeds one piece and says how many passages are still to come, so that a busy machine can be
given a piece at a time; --all goes on to the end. With --sentence-transformers the library of that name embeds instead,
by the weights of MODEL in full precision and on a GPU where there is one, and needs Python with it (bench/peers.sh).

--foreign makes queries in another language than the nodes and nothing else: foreign.queries.f32, the German and
Chinese headings of debian-reference-de and -zh-cn by the multilingual model, to be asked of English passages that
multilingual-e5-small embedded.
"""
import argparse
import os
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recall_sets import Page, clean  # noqa: E402

PACKAGES = ("postgresql-doc-15", "python3.11-doc", "debian-reference-en", "sqlite3-doc", "python-django-doc", "git-doc",
            "debian-policy", "apache2-doc", "erlang-doc", "rust-doc")
WORDS = 45  # About 64 tokens.
FOREIGN = ("debian-reference-de", "debian-reference-zh-cn")
SKIPPED = re.compile("/src/|bookindex|genindex|search")  # Program texts and lists of words.
QUERIES = 1000
DIMENSION = 384


def pages(work, packages=PACKAGES, names="*.html"):
    for package in packages:
        root = work / "root" / package
        if not root.exists():
            if not list(work.glob(f"{package}_*.deb")):
                subprocess.run(["apt-get", "download", package], cwd=work, check=True, capture_output=True)
            root.parent.mkdir(exist_ok=True)
            part = root.with_name(package + ".part")
            subprocess.run(["dpkg-deb", "-x", next(work.glob(f"{package}_*.deb")), part], check=True)
            part.rename(root)
        for page in sorted(root.rglob(names)):
            if page.is_file() and not page.is_symlink() and not SKIPPED.search(str(page)):
                yield page


def passages_of(text):
    """Pieces of whole sentences of about WORDS words."""
    words = []
    for sentence in re.split(r"(?<=[.!?:])\s+|\n+", text):
        more = sentence.split()
        if words and len(words) + len(more) > WORDS:
            yield " ".join(words)
            words = []
        words += more
        while len(words) > 2 * WORDS:
            yield " ".join(words[:WORDS])
            words = words[WORDS:]
    yield " ".join(words)


def make_texts(work, rows):
    every = list(pages(work))
    random.Random(1).shuffle(every)
    texts, headings = {}, {}
    for page in every:
        if len(texts) >= rows and len(headings) >= 20 * QUERIES:
            break
        for heading, parts in Page(page).sections:
            name = clean(heading)
            if 3 <= len(name.split()) <= 20:
                headings[name] = None
            for passage in passages_of("".join(parts)):
                if len(passage.split()) >= 12 and len(texts) < rows:
                    texts[passage] = None
    headings = random.Random(2).sample(sorted(headings), QUERIES)
    for name, lines in (("headings.txt", headings), ("texts.txt", texts)):
        part = work / (name + ".part")
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        part.rename(work / name)
    return len(texts)


def make_foreign(work):
    headings = {}
    for package, language in zip(FOREIGN, ("de", "zh-cn")):
        for page in pages(work, [package], f"*.{language}.html"):
            headings.update({clean(heading): None for heading, _ in Page(page).sections})
    # What is not ASCII is not English.
    names = [name for name in headings if len(name) >= 6 and not name.isascii()]
    (work / "foreign.txt").write_text("".join(line + "\n" for line in names[:QUERIES]), encoding="utf-8")


def embed_by_library(model, source, target, most):
    """Adds the vectors of the next `most` lines of `source` to `target`; how many it then holds."""
    from sentence_transformers import SentenceTransformer  # Takes seconds, and only this way needs it.

    lines = source.read_text(encoding="utf-8").split("\n")[:-1]
    done = target.stat().st_size // (4 * DIMENSION) if target.exists() else 0
    more = lines[done:done + most]
    if more:
        vectors = SentenceTransformer(model).float().encode(more, batch_size=512, normalize_embeddings=True)
        with open(target, "ab") as file:
            vectors.astype("float32").tofile(file)
    return done + len(more)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=200000)
    parser.add_argument("--piece", type=int, default=4000)
    parser.add_argument("--all", action="store_true", help="embed every piece")
    parser.add_argument("--foreign", action="store_true", help="make queries in other languages, and end")
    parser.add_argument("--sentence-transformers", metavar="MODEL", help="embed by this library and its model instead")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.foreign:
        make_foreign(args.work)
        (args.work / "foreign.queries.f32").unlink(missing_ok=True)
        return subprocess.run([args.build / "bench" / "embed_texts", args.models / "multilingual-e5-small",
                               args.work / "foreign.txt", args.work / "foreign.queries.f32", str(QUERIES),
                               "query"]).returncode
    texts = args.work / "texts.txt"
    rows = sum(1 for _ in open(texts, encoding="utf-8")) if texts.exists() else make_texts(args.work, args.rows)

    def embed(source, target, most):
        if args.sentence_transformers:
            return embed_by_library(args.sentence_transformers, args.work / source, args.work / target, most)
        subprocess.run([args.build / "bench" / "embed_texts", args.models / "all-minilm-l6-v2", args.work / source,
                        args.work / target, str(most)], check=True, stdout=subprocess.DEVNULL)
        return os.path.getsize(args.work / target) // (4 * DIMENSION)

    embed("headings.txt", "queries.f32", QUERIES)
    while True:
        done = embed("texts.txt", "base.f32", args.piece)
        print(f"{done} of {rows} passages", flush=True)
        if done >= rows or not args.all:
            return 0 if done >= rows else 3


if __name__ == "__main__":
    sys.exit(main())
