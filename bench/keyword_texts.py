# SPDX-License-Identifier: Apache-2.0
"""The texts of bench/keyword_search.py: pieces of the documents that bench/keyword_documents.sh unpacked."""

import array
import gzip
import html
import itertools
import pathlib
import random
import re

PIECE_CHARACTERS = {"english": 220, "chinese": 120}
# In the order of their rows. The first of the English ones is all that the small corpus has.
ENGLISH = ["doc/postgresql-doc-15/html", "doc/linux-doc-6.1/html", "doc/python3.11/html", "doc/libboost1.81-doc",
           "doc/erlang-doc", "doc/git-doc", "qt5/doc", "doc/llvm-15-doc"]
CHINESE = ["debian-reference", "doc/maint-guide-zh-cn", "doc/debian-edu-doc-zh-cn",
           "doc/installation-guide-amd64/zh_CN", "gimp/2.0/help/zh_CN", "doc/kicad/help/zh", "doc/lilypond", "doc/linuxcnc", "man/zh_CN",
           "doc/linux-doc-6.1/html/translations/zh_CN"]
HAN = re.compile(r"[\u4e00-\u9fff]")
SENTENCE = re.compile(r"(?<=[。！？；])|(?<=[.!?;]) ")
PAGE_ROWS = 10  # Made rows of a page that follow one another, as the nodes of a document do.


def text_of_html(page):
    page = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"(?s)<[^>]+>", " ", page)))


def text_of_manual(page):
    lines = [line for line in page.split("\n") if not line.startswith((".", "'"))]
    return re.sub(r"\s+", " ", re.sub(r"\\(f[A-Z]|f\([A-Z]{2}|[,/&])", "", " ".join(lines)).replace("\\-", "-"))


def pages(documents, folders):
    for folder in folders:
        for path in sorted((pathlib.Path(documents) / "usr/share" / folder).rglob("*")):
            if "translations" in path.parts and "translations" not in folder:
                continue
            if path.suffix == ".html":
                yield text_of_html(path.read_text(encoding="utf-8", errors="replace"))
            elif path.suffix == ".gz" and path.parent.name.startswith("man"):
                yield text_of_manual(gzip.open(path).read().decode("utf-8", "replace"))


def pieces(text, size):
    while text:
        space = text.find(" ", size)
        end = space if 0 <= space < size + 40 else size
        yield text[:end].strip()
        text = text[end:]


def pieces_by_page(documents, language):
    """Of Chinese pages what is Chinese: a good part of a translation is not translated."""
    folders = ENGLISH if language == "english" else CHINESE
    for text in pages(documents, folders):
        found = list(pieces(text, PIECE_CHARACTERS[language]))
        if language == "chinese":
            found = [piece for piece in found if len(HAN.findall(piece)) >= len(piece) / 3]
        if found:
            yield found


def small(documents, language):
    if language == "english":
        for text in pages(documents, ENGLISH[:1]):
            yield from pieces(text, PIECE_CHARACTERS[language])
        return
    for found in pieces_by_page(documents, language):
        yield from found


def large(documents, language, rows):
    """`rows` texts: all there are, then sentences of one page in another order, with one from elsewhere here and there.
    Such rows have the words, frequencies and neighbours of real ones, and no new words."""
    by_page = []
    count = 0
    for found in pieces_by_page(documents, language):
        by_page.append([sentence for sentence in SENTENCE.split(" ".join(found)) if len(sentence) > 3])
        for piece in found:
            if count == rows:
                return
            count += 1
            yield piece
    by_page = [page for page in by_page if len(page) > 3]
    pick = random.Random(2)
    # A page as often as it is long.
    ends = list(itertools.accumulate(map(len, by_page)))
    while count < rows:
        page = pick.choices(by_page, cum_weights=ends)[0]
        for _ in range(min(PAGE_ROWS, rows - count)):
            text = ""
            while len(text) < PIECE_CHARACTERS[language]:
                text += " " + pick.choice(page if pick.random() < 0.8 else pick.choice(by_page))
            count += 1
            yield text[1 : PIECE_CHARACTERS[language] + 1]


def generated(folder):
    """What bench/store_generate wrote, in both languages; as store_data.py, which needs numpy."""
    starts = array.array("Q")
    starts.frombytes((folder / "texts.idx").read_bytes())
    with open(folder / "texts.bin", "rb") as texts:
        for start, end in itertools.pairwise(starts):
            yield texts.read(end - start).decode().replace("\n", " ")
