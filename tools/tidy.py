#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to its rules: layers, names, dead files, links and what must not be written down.

tidy.py [ROOT] prints one line per finding, "path:line: rule: what", and exits with 1 if there is any.
Each rule is a function of a Tree; tools/tidy_test.py shows that each of them can fail. Standard library only.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

CODE = {".h", ".cc", ".c", ".py", ".sh"}
CXX_FOLDERS = ("src", "tests", "bench", "fuzz", "examples")
LINE_COLUMNS_MAX = 120
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "impl", "misc"}
# Written in pieces, so that this file can be read by its own rules.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
SWITCHED_OFF = re.compile(r"\b(DISABLED" r"_\w+|GTEST" r"_SKIP)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root)/[\w.]|/tmp/bo" r"ot\b")
REGISTRY_HOSTS = re.compile(
    r"\b(py"
    r"pi\.org|files\.pythonhosted|deb\.debi"
    r"an\.org|security\.debi"
    r"an\.org|registry\.np"
    r"mjs"
    r"|static\.crates|index\.crates|repo1?\.maven|proxy\.gola"
    r"ng)"
)
SYSTEM_HEADER = re.compile(
    r"([a-z0-9_]+|(sys|linux|netinet|arpa|net)/[a-z0-9_]+\.h|(unistd|fcntl|signal|sched|time|errno|dirent|termios"
    r"|dlfcn|poll|pthread|immintrin|arm_neon|stdlib|string|stdio|stddef|stdint|math|spawn|pwd|link|locale|langinfo"
    r"|wchar|execinfo|malloc|limits|assert|ctype|stdbool)\.h)$"
)


class Finding(NamedTuple):
    """One broken rule at one place."""

    path: str
    line: int
    rule: str
    what: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.what}"


class Tree:
    """The files of a checkout, read once: {relative path: text}."""

    def __init__(self, root, paths):
        self.root = pathlib.Path(root)
        self.paths = sorted(paths)
        self.texts = {}
        for path in self.paths:
            data = (self.root / path).read_bytes()
            if b"\0" not in data[:4096]:
                self.texts[path] = data.decode("utf-8", errors="replace")

    @staticmethod
    def load(root):
        """All files of `root` that git knows or would take up; without git, all but build folders."""
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=False
        )
        if listing.returncode == 0:
            names = listing.stdout.decode("utf-8", errors="surrogateescape").split("\0")
        else:
            names = [str(path.relative_to(root)) for path in pathlib.Path(root).rglob("*")]
            names = [name for name in names if name.split("/")[0] not in {"build", ".cache", ".git"}]
        return Tree(root, [name for name in names if name and (pathlib.Path(root) / name).is_file()])

    def lines(self, *suffixes):
        """(path, line number, line) of every text file with one of the suffixes; of every file if none is given."""
        for path, text in self.texts.items():
            if not suffixes or pathlib.PurePath(path).suffix in suffixes:
                for number, line in enumerate(text.splitlines(), 1):
                    yield path, number, line


def read_layers(text):
    """Returns ({folder: [allowed]}, {header prefix: [folder]}) of tools/layers.txt."""
    allowed, headers = {}, {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("header "):
            _, prefix, *folders = line.split()
            headers[prefix] = folders
        elif line:
            folder, _, names = line.partition(":")
            allowed[folder.strip()] = names.split()
    return allowed, headers


def layer_of(path, allowed):
    """The longest line of the table that a path below src/ obeys; None if no line is for it."""
    if path.startswith("include/"):
        return "include"
    name = path.removeprefix("src/")
    while name:
        if name in allowed:
            return name
        name = name.rpartition("/")[0]
    return None


def include_allowed(path, target, layer, allowed):
    """Whether `path`, which obeys `layer`, may include the project's file `target`."""
    folder = str(pathlib.PurePath(target).parent)
    folder = "include" if folder.startswith("include") else folder.removeprefix("src/")
    names = allowed[layer] + [layer, str(pathlib.PurePath(path).parent).removeprefix("src/")]
    for name in names:
        if name == folder or (name.endswith("/*") and folder.startswith(name[:-1])):
            return True
    return False


def includes(tree):
    """(path, line, "<" or '"', name) of every #include in a C++ file."""
    for path, number, line in tree.lines(".h", ".cc"):
        if match := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
            yield path, number, match[1], match[2]


def test_files(tree):
    """The files that are for tests: those in tests/, x_test.cc, and headers of src/ that only such files include."""
    tests = {path for path in tree.texts if path.startswith("tests/") or path.endswith("_test.cc")}
    includers = {}
    for path, _, _, name in includes(tree):
        includers.setdefault("src/" + name, set()).add(path)
    while more := {path for path, users in includers.items() if path in tree.texts and users <= tests} - tests:
        tests |= more
    return tests


def check_layers(tree):
    """Includes go down the table of tools/layers.txt, are spelled from src/ or include/, and name files that exist."""
    allowed, _ = read_layers(tree.texts.get("tools/layers.txt", ""))
    tests = test_files(tree)
    for path, number, quote, name in includes(tree):
        if quote == "<":
            if name.startswith("ragtime/") and path.startswith(("src/", "include/")):
                yield Finding(path, number, "layers", f'write "{name}" in quotes')
            continue
        target = next((base + name for base in ("src/", "include/", "tests/") if base + name in tree.texts), None)
        if target is None:
            beside = str(pathlib.PurePath(path).parent / name)
            if not path.startswith(("src/", "include/")) and beside in tree.texts:
                continue
            yield Finding(path, number, "layers", f'"{name}" is neither below src/ nor below include/')
        elif path.startswith(("src/", "include/")):
            layer = layer_of(path, allowed)
            if layer is None:
                yield Finding(path, number, "layers", "tools/layers.txt has no line for this folder")
            elif target.startswith("tests/") and path in tests:
                continue
            elif not include_allowed(path, target, layer, allowed):
                yield Finding(path, number, "layers", f"{layer} may not include {target}")
        elif path.startswith("examples/") and not target.startswith("include/"):
            yield Finding(path, number, "layers", f"an example sees only include/ragtime, not {target}")


def check_third_party(tree):
    """A third-party header appears in the folders that tools/layers.txt gives it."""
    _, headers = read_layers(tree.texts.get("tools/layers.txt", ""))
    tests = test_files(tree)
    for path, number, quote, name in includes(tree):
        if quote == '"' or SYSTEM_HEADER.match(name) or name.startswith("ragtime/"):
            continue
        prefix = max((prefix for prefix in headers if name.startswith(prefix)), key=len, default=None)
        homes = headers.get(prefix)
        if homes is None:
            yield Finding(path, number, "third-party", f"<{name}> is not in tools/layers.txt")
        elif homes == ["tests"]:
            if path not in tests:
                yield Finding(path, number, "third-party", f"<{name}> belongs into tests")
        elif homes == ["bench"]:
            if not path.endswith("_bench.cc") and not path.startswith("bench/"):
                yield Finding(path, number, "third-party", f"<{name}> belongs into benches")
        elif "tests" in homes and path in tests:
            continue
        elif not any(path.startswith(f"src/{home}/") for home in homes):
            yield Finding(path, number, "third-party", f"<{name}> may be included in src/{', src/'.join(homes)} only")


def expand_cmake(text):
    """CMake text with the ${name} of every foreach(name a b) replaced by each value, as further lines."""
    expanded = [text]
    for variable, values in re.findall(r"foreach\((\w+)((?:\s+[\w./-]+)+)\)", text):
        for token in re.findall(r"[\w./-]*\$\{" + variable + r"\}[\w./-]*", text):
            expanded += [token.replace("${" + variable + "}", value) for value in values.split()]
    return "\n".join(expanded)


def check_dead_files(tree):
    """Every .cc is named by the CMakeLists.txt of its folder or of one above; every header is included somewhere."""
    cmake = {
        str(pathlib.PurePath(path).parent): expand_cmake(text)
        for path, text in tree.texts.items()
        if path.endswith("CMakeLists.txt")
    }
    included = {name for _, _, _, name in includes(tree)}
    for path in tree.texts:
        pure = pathlib.PurePath(path)
        if not path.startswith(tuple(f"{folder}/" for folder in CXX_FOLDERS)):
            continue
        if pure.suffix == ".cc":
            named = any(
                re.search(
                    r"(?<![\w-])" + re.escape(str(pure.relative_to(folder))) + r"(?![\w.])", cmake.get(str(folder), "")
                )
                for folder in pure.parents
                if str(folder) != "."
            )
            if not named:
                yield Finding(path, 1, "dead file", "no CMakeLists.txt names it")
        elif pure.suffix == ".h":
            names = {str(pure.relative_to(folder)) for folder in pure.parents}
            if not names & included:
                yield Finding(path, 1, "dead file", "no file includes it")


def check_names(tree):
    """Files are snake_case; neither a path nor a type says only that it is a heap of things."""
    for path in tree.paths:
        if path.startswith(("examples/documents/", "tests/golden/", ".")):
            continue
        for part in pathlib.PurePath(path).parts:
            words = set(re.split(r"[^a-z0-9]+", part.lower()))
            if words & FORBIDDEN_WORDS:
                yield Finding(path, 1, "names", f"{part}: say what it holds, not '{(words & FORBIDDEN_WORDS).pop()}'")
        if path.endswith((".h", ".cc", ".py")) and not re.fullmatch(r"[a-z0-9_]+", pathlib.PurePath(path).stem):
            yield Finding(path, 1, "names", "a source file is named in snake_case")
    heap = re.compile(r"\b(?:class|struct)\s+(\w*(?:Utils?|Helpers?|Common|Manager|Impl))\b")
    for path, number, line in tree.lines(".h", ".cc"):
        if match := heap.search(line):
            yield Finding(path, number, "names", f"{match[1]}: name the type after what it does")


def check_guards(tree):
    """include/ragtime/x.h is guarded by RAGTIME_X_H_; src/a/x.h and tests/a/x.h by RAGTIME_A_X_H_."""
    for path, text in tree.texts.items():
        if not path.endswith(".h"):
            continue
        # tests/ is a root of includes as src/ is, so its files may go without it in the guard.
        name = path.removeprefix("include/ragtime/").removeprefix("src/")
        guards = ["RAGTIME_" + re.sub(r"\W", "_", each).upper() + "_" for each in (name, name.removeprefix("tests/"))]
        guard = next((each for each in guards if f"#ifndef {each}\n#define {each}\n" in text), guards[-1])
        if f"#define {guard}\n" not in text or not text.rstrip().endswith(f"#endif  // {guard}"):
            yield Finding(path, 1, "guards", f"the include guard is not {guard}")


def check_spdx(tree):
    """Code opens with its licence: in the first line, or in the second after #!."""
    for path, text in tree.texts.items():
        if pathlib.PurePath(path).suffix in CODE and text.strip():
            head = text.splitlines()[:2]
            if not any(line.split(maxsplit=1)[-1] == "SPDX-License-Identifier: Apache-2.0" for line in head if line):
                yield Finding(path, 1, "spdx", "the line 'SPDX-License-Identifier: Apache-2.0' is missing")


def check_lines(tree):
    """Code has at most 120 columns, no tabs, no white space at the end of a line, and ends with a newline."""
    for path, number, line in tree.lines(*CODE):
        # A string literal that cannot be cut (a path, a test text) may be longer if it stands alone on its line.
        if len(line) > LINE_COLUMNS_MAX and not re.fullmatch(r'\s*(R|u8)?".*"[,;)]*', line):
            yield Finding(path, number, "lines", f"{len(line)} columns, at most {LINE_COLUMNS_MAX} are allowed")
        if "\t" in line or line != line.rstrip():
            yield Finding(path, number, "lines", "a tab, or white space at the end of the line")
    for path, text in tree.texts.items():
        if pathlib.PurePath(path).suffix in CODE and text and not text.endswith("\n"):
            yield Finding(path, len(text.splitlines()), "lines", "no newline at the end of the file")


def check_unfinished(tree):
    """What is left to do stands in an issue, and a test is never switched off."""
    for path, number, line in tree.lines():
        if path.startswith(("examples/documents/", "tests/golden/")):
            continue
        if match := UNFINISHED.search(line):
            yield Finding(path, number, "unfinished", match[0])
        if match := SWITCHED_OFF.search(line):
            yield Finding(path, number, "switched off", f"{match[0]}: a test fails or it goes, it is not skipped")


def check_private(tree):
    """Nothing names a folder of the machine that it was written on, or the host of a package registry."""
    for path, number, line in tree.lines():
        if match := MACHINE_PATHS.search(line):
            yield Finding(path, number, "machine path", match[0])
        if match := REGISTRY_HOSTS.search(line):
            yield Finding(path, number, "registry host", f"{match[0]}: mirrors are the user's to choose")


def anchors(text):
    """The anchors that a Markdown page's headings give, as the usual hosts spell them."""
    result = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*$", re.sub(r"```.*?```", "", text, flags=re.S), flags=re.M):
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        result.add(re.sub(r"\s", "-", plain.strip()))
    return result


def check_links(tree):
    """Links of Markdown pages and paths of this tree written in `code` lead somewhere."""
    folders = {str(folder) for path in tree.paths for folder in pathlib.PurePath(path).parents}
    known = set(tree.paths) | folders
    roots = {folder for folder in folders if "/" not in folder} - {".", "build"}
    for path, text in tree.texts.items():
        if not path.endswith(".md") or path.startswith(("examples/documents/", "tests/golden/")):
            continue
        here = pathlib.PurePath(path).parent
        for number, line in enumerate(text.splitlines(), 1):
            for link in re.findall(r"\]\(([^)\s]+)\)", line):
                name, _, anchor = link.partition("#")
                if re.match(r"[a-z]+:", link):
                    continue
                target = path if not name else resolve(here / name)
                if target not in known:
                    yield Finding(path, number, "links", f"{link} does not exist")
                elif anchor and target.endswith(".md") and anchor not in anchors(tree.texts[target]):
                    yield Finding(path, number, "links", f"{link}: no such heading")
            for name in re.findall(r"`([\w.*/-]+/[\w.*/-]*)`", line):
                if name.split("/")[0] in roots and not any(fnmatch.fnmatch(each, name.rstrip("/")) for each in known):
                    yield Finding(path, number, "links", f"`{name}` does not exist")


def resolve(path):
    """A relative path without "." and ".." parts."""
    parts = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


RULES = [
    check_layers,
    check_third_party,
    check_dead_files,
    check_names,
    check_guards,
    check_spdx,
    check_lines,
    check_unfinished,
    check_private,
    check_links,
]


def check(tree):
    """Every finding of every rule."""
    return [finding for rule in RULES for finding in rule(tree)]


def main():
    """Checks the tree that the script lies in, or the one that is named."""
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[1]
    tree = Tree.load(root)
    findings = check(tree)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(tree.paths)} files, {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings or not tree.paths else 0


if __name__ == "__main__":
    sys.exit(main())
