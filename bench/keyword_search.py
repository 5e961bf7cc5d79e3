#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keyword search beside other keyword indexes: the same words, questions of 2 to 8 of them, the best ten and hundred.

usage: bench/keyword_search.py RESULTS --build BUILD_FOLDER --work FOLDER [--documents FOLDER] [--corpora NAMES]
       [--generated FOLDER] [--peers VENV] [--lucene JARS] [--sides NAMES] [--rounds N] [--seconds N] [--queries N]
       [--only-build] [--again]

--documents is what bench/keyword_documents.sh unpacked. A corpus is "english" (postgresql-doc-15, 31,654 pieces),
"chinese" (all Chinese documents, about 18,500), or one of those with a number of rows, such as "english-1000000": all
documents of the language, and then rows made of their sentences (bench/keyword_texts.py). --generated takes what
bench/store_generate wrote. VENV is the "stores" environment of bench/store_peers.sh, JARS its "lucene" folder.

Every side gets the words that Ragtime's rules cut, one space between them, so that only the indexes differ. Each side
builds and answers in a process of its own, on one thread; the time of a question is the least of N rounds, of as many
as --seconds let for each of the best ten and the best hundred. What is there in --work (words, questions, indexes,
answers) is not made again, so that a run can be stopped and goes on; --again asks anew. Lines of JSON go to
RESULTS/keyword.jsonl, the tables to the standard output.

Right is the share of the best ten that an exact scorer without an index (bench/keyword_exact) has too, equal scores
counting as equal. "Open" is opening and the first question in a fresh process, with the files in memory.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

import keyword_texts
from start import machine

HERE = pathlib.Path(__file__).resolve().parent
# As `ragtime ingest` makes segments, and about as `ragtime compact` leaves them.
SEGMENT_ROWS = {"ragtime": 65536, "ragtime-compacted": 262144}
LIMITS = (10, 100)


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


def run_json(command):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])}: exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def cached(path, make):
    """The JSON of `path`, made if it is not there."""
    if not path.exists():
        made = path.with_suffix(".making")
        made.write_text(json.dumps(make()), encoding="utf-8")
        made.rename(path)
    return json.loads(path.read_text(encoding="utf-8"))


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.programs = arguments.build / "bench"
        self.jars = sorted(arguments.lucene.glob("*.jar")) if arguments.lucene else []
        arguments.work.mkdir(parents=True, exist_ok=True)
        arguments.results.mkdir(parents=True, exist_ok=True)

    def words(self, name, texts):
        path = self.arguments.work / f"{name}.words"
        if not path.exists():
            made = path.with_suffix(".making")
            with open(made, "wb") as out:
                command = [self.programs / "keyword_ours", "words"]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out)
                for text in texts():
                    process.stdin.write(text.encode() + b"\n")
                process.stdin.close()
                if process.wait() != 0:
                    sys.exit("keyword_ours words failed")
            made.rename(path)
        return path

    def questions(self, corpus, languages):
        """A file for each language, with how many questions it has."""
        paths = {language: corpus.with_suffix(f".{language}-{self.arguments.queries}") for language in languages}
        if not all(path.exists() for path in paths.values()):
            sample = []
            with open(corpus, encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number % 10 == 0 or number < 30000:
                        sample.append(line)
            for language, path in paths.items():
                asked = questions_of(sample, language == "chinese", self.arguments.queries)
                path.write_text("".join(f"{line}\n" for line in asked), encoding="utf-8")
        return paths

    def command(self, side, verb, source, folder):
        if side in SEGMENT_ROWS:
            own = [SEGMENT_ROWS[side]] if verb == "build" else []
            command = [self.programs / "keyword_ours"]
        elif side == "lucene":
            java = ["java", "-Xmx4g", "--add-modules=jdk.incubator.vector", "-cp", ":".join(map(str, self.jars))]
            own, command = [], [*java, HERE / "keyword_lucene.java"]
        else:
            own, command = [], [self.arguments.peers / "bin" / "python", HERE / "keyword_peers.py", side]
        limits = [self.arguments.rounds, self.arguments.seconds] if verb == "ask" else []
        return [*command, verb, source, folder, *own, *limits]

    def built(self, side, corpus):
        """The side's index and what building it took."""
        folder = self.arguments.work / f"{side}-{corpus.stem}"

        def build():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"building {folder.name}", file=sys.stderr)
            return run_json(self.command(side, "build", corpus, folder))

        return folder, cached(folder.with_name(folder.name + ".built.json"), build)

    def run(self, side, corpus, language, questions):
        folder, built = self.built(side, corpus)
        if self.arguments.only_build:
            return None
        key = f"{folder.name}.{language}-{self.arguments.queries}.json"
        answers = self.arguments.work / key
        if self.arguments.again:
            answers.unlink(missing_ok=True)

        def ask():
            result = run_json(self.command(side, "ask", questions, folder))
            result |= {"side": side, "corpus": corpus.stem, "language": language, "machine": machine()}
            with open(self.arguments.results / "keyword.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(built | result) + "\n")
            return result

        return built | cached(answers, ask)

    def sides(self):
        sides = list(SEGMENT_ROWS)
        if self.arguments.peers:
            sides += ["tantivy", "bm25s", "sqlite-fts5", "pisa"]
        if self.jars:
            sides.append("lucene")
        return [side for side in sides if not self.arguments.sides or side in self.arguments.sides.split(",")]

    def compare(self, name, texts, languages):
        corpus = self.words(name, texts)
        for language, questions in self.questions(corpus, languages).items():
            results = []
            for side in self.sides():
                try:
                    results.append(self.run(side, corpus, language, questions))
                except RuntimeError as error:
                    print(f"{side} on {name}: failed: {error}", file=sys.stderr)
            results = [result for result in results if result]
            if results:
                exact = cached(
                    questions.with_name(questions.name + ".exact.json"),
                    lambda: run_json([self.programs / "keyword_exact", corpus, questions, LIMITS[0]]),
                )
                report(name, language, corpus, results, exact)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def right(exact, found):
    """Each of `exact` has the ten best and what ties with the last of them."""
    shares = [len(set(best) & set(rows)) / min(LIMITS[0], len(best)) for best, rows in zip(exact, found) if best]
    return statistics.mean(shares)


def times_ours(ours, result, limit):
    """On the questions that both were asked."""
    both = list(zip(ours[f"us_{limit}"], result[f"us_{limit}"]))
    return sum(theirs for _, theirs in both) / sum(our for our, _ in both)


TARGETS = {"tantivy": 3, "lucene": 1, "pisa": 1, "bm25s": 1}


def report(name, language, corpus, results, exact):
    ours = results[0]
    size = corpus.stat().st_size
    rows, words = (f"{ours[key]:,}" if key in ours else "?" for key in ("rows", "words"))
    print(f"\n{name}: {rows} rows, {words} words, {size / 1e6:.1f} MB of words; "
          f"{len(exact)} {language} questions; {ours['machine']}; microseconds")
    heads = "".join(f" top {limit}: mean | p50 | p99 | ours is |" for limit in LIMITS)
    print(f"| side | build MB/s | bytes a row | open ms |{heads} right |")
    print("|---" * (5 + 4 * len(LIMITS)) + "|")
    for result in results:
        label = result["side"] + (" " + result["version"] if "version" in result else "")
        if len(result["us_10"]) < len(exact):
            label += f", {len(result['us_10'])} questions"
        line = f"| {label} | {size / 1e3 / result['build_ms']:.1f} | {result['bytes'] / (ours.get('rows') or 1):.0f} "
        line += f"| {result['open_ms'] + result['first_ms']:.2f} "
        for limit in LIMITS:
            times = result[f"us_{limit}"]
            ratio = times_ours(ours, result, limit)
            line += f"| {statistics.mean(times):,.1f} | {statistics.median(times):,.1f} "
            line += f"| {percentile(times, 0.99):,.1f} | {ratio:.2f}x "
        print(line + f"| {right(exact, result['hits_10']):.3f} |")
    for result in results:
        if result["side"] in TARGETS and ours["side"] in SEGMENT_ROWS:
            target, ratio = TARGETS[result["side"]], times_ours(ours, result, 10)
            verdict = "met   " if ratio >= target else "MISSED"
            print(f"  {verdict}  top 10 at least {target} times as fast as {result['side']}: {ratio:.2f}")


def texts_of(name, arguments):
    language, _, rows = name.partition("-")
    if language not in keyword_texts.PIECE_CHARACTERS or (rows and not rows.isdigit()):
        sys.exit(f"no such corpus: {name}; say english, chinese, or one of them with a number of rows: english-1000000")
    if rows:
        return language, lambda: keyword_texts.large(arguments.documents, language, int(rows))
    return language, lambda: keyword_texts.small(arguments.documents, language)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    for option in ("--build", "--work"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    for option in ("--documents", "--generated", "--peers", "--lucene"):
        parser.add_argument(option, type=pathlib.Path)
    parser.add_argument("--corpora", default="english,chinese,english-1000000,chinese-1000000")
    parser.add_argument("--sides")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--only-build", action="store_true")
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    if arguments.documents:
        for name in arguments.corpora.split(","):
            language, texts = texts_of(name, arguments)
            bench.compare(name, texts, [language])
    if arguments.generated:
        bench.compare("generated", lambda: keyword_texts.generated(arguments.generated), ["english", "chinese"])


if __name__ == "__main__":
    main()
