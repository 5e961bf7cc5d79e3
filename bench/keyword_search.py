#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keyword search beside other keyword indexes: the same words, questions of 2 to 8 of them, the best ten and hundred.

usage: bench/keyword_search.py RESULTS --build BUILD_FOLDER --work FOLDER [--english HTML_FOLDER]
       [--chinese HTML_FOLDER] [--generated FOLDER] [--peers VENV] [--lucene JARS] [--sides NAMES] [--rounds N]
       [--queries N]

--english takes postgresql-doc-15's html folder (about 31,000 chunks), --chinese debian-reference's zh-cn pages,
--generated what bench/store_generate wrote (all of its rows). VENV is the "stores" environment of
bench/store_peers.sh, JARS its "lucene" folder. Every side gets the words that Ragtime's rules cut, one space
between them, so that only the indexes differ. Each side builds and answers in a process of its own, on one thread;
the time of a question is the least of N rounds. Lines of JSON go to RESULTS/keyword.jsonl, the tables to the standard
output. Agreement is the share of the best ten that the exact scores give too; ours are exact (bm25_index_test).
"""

import argparse
import array
import html
import itertools
import json
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys

from start import machine

HERE = pathlib.Path(__file__).resolve().parent
SEGMENT_ROWS = 65536  # As `ragtime ingest` makes segments.
CHUNK_BYTES = {"english": 220, "chinese": 120}


def text_of(page):
    page = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"(?s)<[^>]+>", " ", page)))


def chunks_of(folder, pattern, size):
    for path in sorted(pathlib.Path(folder).glob(pattern)):
        text = text_of(path.read_text(encoding="utf-8", errors="replace"))
        while text:
            space = text.find(" ", size)
            end = space if 0 <= space < size + 40 else size
            yield text[:end].strip()
            text = text[end:]


def generated_texts(folder):
    """As store_data.py, which needs numpy."""
    starts = array.array("Q")
    starts.frombytes((folder / "texts.idx").read_bytes())
    with open(folder / "texts.bin", "rb") as texts:
        for start, end in itertools.pairwise(starts):
            yield texts.read(end - start).decode().replace("\n", " ")


def is_one_character(word):
    """Questions are cut into pairs of Chinese characters, texts into characters as well."""
    return len(word) == 1 and ord(word) > 0x2E80


def questions_of(rows, chinese, count):
    """Runs of 2 to 8 neighbouring words of random rows, so that they hold frequent words as questions do."""
    pick = random.Random(1)
    questions = []
    for _ in range(1000 * count):
        if len(questions) == count:
            break
        words = [word for word in pick.choice(rows).split() if not is_one_character(word)]
        wanted = pick.randint(2, 8)
        if len(words) < wanted:
            continue
        start = pick.randint(0, len(words) - wanted)
        question = list(dict.fromkeys(words[start : start + wanted]))
        if len(question) >= 2 and all((ord(word[0]) > 0x2E80) == chinese for word in question):
            questions.append(" ".join(question))
    return questions


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.program = arguments.build / "bench" / "keyword_ours"
        self.jars = sorted(arguments.lucene.glob("*.jar")) if arguments.lucene else []
        arguments.work.mkdir(parents=True, exist_ok=True)
        arguments.results.mkdir(parents=True, exist_ok=True)

    def corpus(self, name, texts, languages):
        """Writes the words and the questions, language by language; gives both paths and how many of each."""
        path = self.arguments.work / f"{name}.words"
        if not path.exists():
            made = path.with_suffix(".making")
            with open(made, "wb") as out:
                process = subprocess.Popen([self.program, "words"], stdin=subprocess.PIPE, stdout=out)
                for text in texts:
                    process.stdin.write(text.encode() + b"\n")
                process.stdin.close()
                if process.wait() != 0:
                    sys.exit("keyword_ours words failed")
            made.rename(path)
        sample = []
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number % 10 == 0 or number < 30000:
                    sample.append(line)
        asked = {
            language: questions_of(sample, language == "chinese", self.arguments.queries) for language in languages
        }
        questions = path.with_suffix(".questions")
        questions.write_text("".join(f"{line}\n" for lines in asked.values() for line in lines), encoding="utf-8")
        return path, questions, {language: len(lines) for language, lines in asked.items()}

    def command(self, side, corpus, questions, folder):
        if side == "ragtime":
            return [self.program, "search", corpus, questions, SEGMENT_ROWS, self.arguments.rounds]
        common = [corpus, questions, folder, self.arguments.rounds]
        if side == "lucene":
            java = ["java", "-Xmx4g", "--add-modules=jdk.incubator.vector", "-cp", ":".join(map(str, self.jars))]
            return [*java, HERE / "keyword_lucene.java", *common]
        return [self.arguments.peers / "bin" / "python", HERE / "keyword_peers.py", side, *common]

    def run(self, side, name, corpus, questions):
        folder = self.arguments.work / f"{side}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        command = [str(part) for part in self.command(side, corpus, questions, folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        shutil.rmtree(folder, ignore_errors=True)
        if done.returncode != 0:
            print(f"{side} on {name}: failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        result = json.loads(done.stdout.strip().splitlines()[-1])
        result |= {"side": side, "corpus": name, "machine": machine()}
        with open(self.arguments.results / "keyword.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        return result

    def sides(self):
        sides = ["ragtime"]
        if self.arguments.peers:
            sides += ["tantivy", "bm25s", "sqlite-fts5", "pisa"]
        if self.jars:
            sides.append("lucene")
        return [side for side in sides if not self.arguments.sides or side in self.arguments.sides.split(",")]

    def compare(self, name, texts, languages):
        corpus, questions, counts = self.corpus(name, texts, languages)
        results = [self.run(side, name, corpus, questions) for side in self.sides()]
        results = [result for result in results if result]
        start = 0
        for language, count in counts.items():
            report(name, language, corpus, [part_of(result, start, start + count) for result in results])
            start += count


def part_of(result, start, end):
    """The questions [start, end) of a result."""
    return {key: value[start:end] if isinstance(value, list) else value for key, value in result.items()}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def agreement(ours, theirs):
    shares = [len(set(a) & set(b)) / len(a) for a, b in zip(ours, theirs) if a]
    return statistics.mean(shares)


def report(name, language, corpus, results):
    if not results or results[0]["side"] != "ragtime":
        return
    ours = results[0]
    size = corpus.stat().st_size
    print(f"\n{name}: {ours['rows']} rows, {ours['words']} words, {size / 1e6:.1f} MB of words; "
          f"{len(ours['us_10'])} {language} questions; us")
    heads = "".join(f"{f'top {limit}: mean':>14} {'p50':>7} {'p99':>8} {'ours is':>8}" for limit in (10, 100))
    print(f"  {'side':22} {'build MB/s':>10} {'bytes/row':>9} {heads} {'agreement':>9}")
    for result in results:
        label = result["side"] + (" " + result["version"] if "version" in result else "")
        line = f"  {label:22} {size / 1e3 / result['build_ms']:10.1f} {result['bytes'] / ours['rows']:9.0f} "
        for limit in (10, 100):
            times = result[f"us_{limit}"]
            ratio = statistics.mean(times) / statistics.mean(ours[f"us_{limit}"])
            line += f"{statistics.mean(times):14.1f} {percentile(times, 0.5):7.1f} {percentile(times, 0.99):8.1f}"
            line += f" {f'{ratio:.2f}x':>8}"
        print(line + f" {agreement(ours['hits_10'], result['hits_10']):9.3f}")
    for result in results[1:]:
        if result["side"] == "tantivy":
            ratio = statistics.mean(result["us_10"]) / statistics.mean(ours["us_10"])
            print(f"  {'met   ' if ratio >= 3 else 'MISSED'}  top 10 >= 3x sooner than tantivy: {ratio:.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    for name in ("--build", "--work"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    for name in ("--english", "--chinese", "--generated", "--peers", "--lucene"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--sides")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--queries", type=int, default=500)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    print(f"machine: {machine()}")
    if arguments.english:
        bench.compare("english", chunks_of(arguments.english, "*.html", CHUNK_BYTES["english"]), ["english"])
    if arguments.chinese:
        bench.compare("chinese", chunks_of(arguments.chinese, "*.zh-cn.html", CHUNK_BYTES["chinese"]), ["chinese"])
    if arguments.generated:
        bench.compare("generated", generated_texts(arguments.generated), ["english", "chinese"])


if __name__ == "__main__":
    main()
