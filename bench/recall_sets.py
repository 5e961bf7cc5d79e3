# SPDX-License-Identifier: Apache-2.0
"""The question sets of bench/recall.py, made from Debian packages whose authors say what belongs to what.

headings   A section without its heading and subsections is a file; the heading is the question.
index      A page of PostgreSQL's manual is a file; a term of its index is the question, the pages that the index
           names are to be found.
twins      A paragraph of the Chinese Debian Reference is a file; the English paragraph at the same place of the
           same section is the question.

Each set is (folder of documents, [(corpus, question, [names of the files to be found])]).
"""

import hashlib
import html.parser
import random
import re
import shutil
import subprocess

PACKAGES = ("debian-reference-en", "debian-reference-zh-cn", "postgresql-doc-15")
BLOCKS = {"p", "div", "li", "dt", "dd", "pre", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"}
VOID = {"br", "hr", "img", "meta", "link", "input", "col"}
FEWEST_OF_SECTION = 200  # Characters.
FEWEST_OF_ENGLISH_PARAGRAPH = 80


class Page(html.parser.HTMLParser):
    """What a page says: (heading, text) of each section and (id of the section, text) of each paragraph; navigation
    and tables of contents left out."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.sections, self.paragraphs = [], []
        self.heading, self.paragraph, self.skipped, self.depth, self.section = None, None, None, 0, ""
        self.feed(path.read_text(encoding="utf-8", errors="replace"))

    def handle_starttag(self, tag, attributes):
        if tag in VOID:
            return
        self.depth += 1
        attributes = dict(attributes)
        kind = attributes.get("class") or ""
        if self.skipped is None and (
            tag in ("script", "style", "title") or any(name in kind for name in ("toc", "navheader", "navfooter"))
        ):
            self.skipped = self.depth
        if self.skipped is not None:
            return
        if re.fullmatch("h[1-6]", tag):
            self.heading = []
        if tag == "a" and self.heading is not None and "id" in attributes:
            self.section = attributes["id"]
        if tag == "p":
            self.paragraph = []
        if tag in BLOCKS and self.sections:
            self.sections[-1][1].append("\n")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if self.skipped == self.depth:
            self.skipped = None
        self.depth -= 1
        if self.heading is not None and re.fullmatch("h[1-6]", tag):
            self.sections.append((" ".join("".join(self.heading).split()), []))
            self.heading = None
        if self.paragraph is not None and tag == "p":
            self.paragraphs.append((self.section, " ".join("".join(self.paragraph).split())))
            self.paragraph = None

    def handle_data(self, data):
        if self.skipped is not None:
            return
        if self.paragraph is not None:
            self.paragraph.append(data)
        if self.heading is not None:
            self.heading.append(data)
        elif self.sections:
            self.sections[-1][1].append(data)


class IndexTerms(html.parser.HTMLParser):
    """(term, pages) of a book's index; a term below another one is asked together with it."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.terms, self.above, self.term, self.pages, self.linked = [], [], None, [], False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "dl":
            self.above.append("")
        elif tag == "dt":
            self.term, self.pages = "", []
        elif tag == "a" and self.term is not None and attributes.get("class") == "indexterm":
            self.linked = True
            self.pages.append(attributes["href"].split("#")[0])

    def handle_endtag(self, tag):
        if tag == "a":
            self.linked = False
        elif tag == "dl":
            self.above.pop()
        elif tag == "dt" and self.term is not None:
            term = " ".join(self.term.split()).strip(" ,")
            self.above[-1] = term
            # A term without a page sends on to another one ("see ...") or only stands above others.
            if self.pages:
                self.terms.append((" ".join(self.above), list(dict.fromkeys(self.pages))))
            self.term = None

    def handle_data(self, data):
        if self.term is not None and not self.linked:
            self.term += data.replace(", (", " (")


def fetch(work):
    """The unpacked packages' usr/share."""
    for package in PACKAGES:
        if not (work / "root" / "usr/share/doc" / package).exists():
            subprocess.run(["apt-get", "download", package], cwd=work, check=True, capture_output=True)
            subprocess.run(["dpkg-deb", "-x", next(work.glob(f"{package}_*.deb")), work / "root"], check=True)
    return work / "root/usr/share"


def manual_pages(share):
    return sorted((share / "doc/postgresql-doc-15/html").glob("*.html"))


def lines_of(parts):
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def clean(heading):
    heading = re.sub(r"^(Chapter|Appendix|Part|第)?\s*[\dA-Z]+([.\-]\d+)*\s*[章.]\s*", "", heading)
    return heading.strip(" .")


def write(documents, corpus, text):
    """A file of it, by a name that tells nothing; returns the name."""
    name = f"{corpus}/{hashlib.sha1(text.encode()).hexdigest()[:12]}.txt"
    (documents / corpus).mkdir(parents=True, exist_ok=True)
    (documents / name).write_text(text + "\n", encoding="utf-8")
    return name


def once(pairs):
    """Those whose first part, whatever its case, stands nowhere else."""
    counts = {}
    for first, _ in pairs:
        counts[first.lower()] = counts.get(first.lower(), 0) + 1
    return [(first, second) for first, second in pairs if counts[first.lower()] == 1]


def headings(share, documents, most_postgresql):
    corpora = {
        "debian-en": sorted((share / "debian-reference").glob("*.en.html")),
        "debian-zh": sorted((share / "debian-reference").glob("*.zh-cn.html")),
        "postgresql": [page for page in manual_pages(share) if page.name != "bookindex.html"],
    }
    questions = []
    for corpus, pages in corpora.items():
        found = [(clean(heading), lines_of(parts)) for page in pages for heading, parts in Page(page).sections]
        found = once([(h, text) for h, text in found if len(h) >= 3 and len(text) >= FEWEST_OF_SECTION])
        if corpus == "postgresql" and len(found) > most_postgresql:
            found = random.Random(1).sample(found, most_postgresql)
        questions += [(corpus, heading, [write(documents, corpus, text)]) for heading, text in found]
    return questions


def index(share, documents, _):
    names, questions = {}, []
    for path in manual_pages(share):
        page = Page(path)
        text = "\n".join(f"{heading}\n{lines_of(parts)}" for heading, parts in page.sections)
        if path.name != "bookindex.html" and text:
            names[path.name] = write(documents, "postgresql", text)
    terms = IndexTerms(share / "doc/postgresql-doc-15/html/bookindex.html").terms
    for term, pages in once(terms):
        found = sorted({names[page] for page in pages if page in names})
        if len(term) >= 3 and found:
            questions.append(("postgresql", term, found))
    return questions


def paragraphs_of(share, language):
    """Section -> its paragraphs, in order."""
    sections = {}
    for path in sorted((share / "debian-reference").glob(f"*.{language}.html")):
        for section, text in Page(path).paragraphs:
            sections.setdefault((path.name.split(".")[0], section), []).append(text)
    return sections


def twins(share, documents, _):
    english, chinese = paragraphs_of(share, "en"), paragraphs_of(share, "zh-cn")
    pairs, names = [], {}
    for place, texts in chinese.items():
        for text in texts:
            if re.search("[\u4e00-\u9fff]", text):
                names[text] = write(documents, "debian-zh", text)
        # Where one language has a paragraph more, nothing says which belongs to which.
        if len(english.get(place, ())) == len(texts):
            pairs += [(e, c) for e, c in zip(english[place], texts) if c in names]
    return [("debian", e, [names[c]]) for e, c in once(pairs) if len(e) >= FEWEST_OF_ENGLISH_PARAGRAPH]


SETS = {"headings": headings, "index": index, "twins": twins}


def make(name, work, most_postgresql):
    documents = work / name / "documents"
    shutil.rmtree(documents, ignore_errors=True)
    return documents, SETS[name](fetch(work), documents, most_postgresql)
