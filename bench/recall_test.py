#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: bench/recall.py takes the right questions out of pages, and asks each of them.
Method: pages of a few lines in the places of the Debian packages; what is made of them is compared, and the whole bench
runs on it.

usage: bench/recall_test.py BUILD_FOLDER MODELS_FOLDER
"""

import pathlib
import subprocess
import sys
import tempfile

import recall_sets

BACKUP = "A dump of a database is written by pg_dump while others go on reading and writing. " * 3
VACUUM = "Dead rows are taken away by vacuum, so that their place is used again by new ones later. " * 3
INDEX = "A btree keeps keys in order and finds a range of them quickly, whatever their number is. " * 3
CONSOLE = "When the screen shows nothing but garbage, type reset at the prompt and press enter; the letters come back."
PACKAGES = "Install a few more packages, such as mc and vim, with apt-get, since they make the first days easier."


def page(*sections):
    text = "".join(
        f'<div class="section"><div class="titlepage"><h2><a id="{anchor}"/>{heading}</h2></div>{body}</div>'
        for anchor, heading, body in sections
    )
    return (
        '<html><head><title>Manual</title></head><body><div class="navheader">Home</div>'
        f'<div class="toc">{sections[0][1]}</div>{text}</body></html>'
    )


def make_pages(root):
    manual, reference = root / "doc/postgresql-doc-15/html", root / "debian-reference"
    for package in recall_sets.PACKAGES:
        (root / "doc" / package).mkdir(parents=True)
    manual.mkdir()
    reference.mkdir()
    (manual / "backup.html").write_text(page(("DUMP", "26.1. Saving Databases", f"<p>{BACKUP}</p>")))
    (manual / "upkeep.html").write_text(
        page(
            ("VACUUM", "25.1. Cleaning Tables", f"<p>{VACUUM}</p>"),
            ("BTREE", "11.2. Ordered Keys", f"<p>{INDEX}</p>"),
        )
    )
    (manual / "bookindex.html").write_text(
        '<html><body><div class="index"><h1>Index</h1><dl>'
        '<dt>pg_dump, <a class="indexterm" href="backup.html#DUMP">Saving Databases</a></dt>'
        '<dt>index</dt><dd><dl><dt>btree, <a class="indexterm" href="upkeep.html#BTREE">Ordered Keys</a>, '
        '<a class="indexterm" href="backup.html">Backup</a></dt></dl></dd>'
        '<dt>dump (see pg_dump)</dt></dl></div></body></html>'
    )
    for language, console, packages in (
        ("en", CONSOLE, PACKAGES),
        ("zh-cn", "屏幕上都是乱码时，在提示符下输入 reset，字母就会恢复。", "用 apt-get 再安装几个软件包，例如 mc 和 vim。"),
    ):
        more = "<p>一段没有对应的话。</p>" if language == "zh-cn" else ""
        (reference / f"ch01.{language}.html").write_text(
            page(
                ("_console", "1.1. Sane console", f"<p>{console}</p><p>7</p>"),
                ("_packages", "1.2. More packages", f"<p>{packages}</p>"),
                ("_uneven", "1.3. Uneven", f"<p>{PACKAGES * 2}</p>{more}"),
            )
        )


def expect(actual, expected):
    if actual != expected:
        sys.exit(f"expected {expected}\nbut had  {actual}")


def texts_of(made):
    documents, questions = made
    return {question: [(documents / name).read_text().strip() for name in names] for _, question, names in questions}


def main():
    build, models = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        make_pages(work / "root/usr/share")
        headings = texts_of(recall_sets.make("headings", work, 600))
        expect(headings["Saving Databases"], [BACKUP.strip()])
        expect(headings["Ordered Keys"], [INDEX.strip()])
        terms = texts_of(recall_sets.make("index", work, 600))
        expect(sorted(terms), ["index btree", "pg_dump"])
        expect(terms["pg_dump"], [f"26.1. Saving Databases\n{BACKUP.strip()}"])
        expect(len(terms["index btree"]), 2)
        twins = texts_of(recall_sets.make("twins", work, 600))
        expect(sorted(twins), sorted([CONSOLE, PACKAGES]))
        expect("乱码" in twins[CONSOLE][0] and "软件包" in twins[PACKAGES][0], True)

        command = [sys.executable, pathlib.Path(__file__).with_name("recall.py"), build, models, work]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(output)
        for line in ("headings: 5 files", "index: 2 files", "twins: 3 files", "| keyword | 1.000 | 1.000 | 1.000 |"):
            if line not in output:
                sys.exit(f"{line} is not in the output")


if __name__ == "__main__":
    main()
