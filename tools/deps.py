#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads tools/deps.lock for tools/setup.sh: what to fetch, whether a file is the pinned one, and the keys of the cache.

Standard library only. Errors are one sentence on stderr and exit code 1; wrong use is 2.
"""

import hashlib
import json
import os
import pathlib
import re
import sys
from typing import NamedTuple
import urllib.request
import zipfile

LOCK = pathlib.Path(__file__).resolve().parent / "deps.lock"
USES = {
    "pypi": {"fetch", "compile", "protocol", "client", "convert", "model", "bench"},
    "crate": {"index"},
    "npm": {"words"},
}
CRATES = "crates.io"  # The registry; where it keeps files says its index.
DEBIAN_USES = {"build", "dev"}


class LockError(Exception):
    """The lock file, or a file that it pins, is not what it should be."""


class Package(NamedTuple):
    """A line "pypi", "crate" or "npm" of the lock file."""

    name: str
    version: str
    file: str
    sha256: str
    uses: frozenset
    line: str
    kind: str


def read_lock(text):
    """Returns ([Package], [(debian package, least version, use)]) of the lock file's text."""
    packages, debian = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] in USES and len(words) == 6:
            uses = frozenset(words[5].split(","))
            if not re.fullmatch(r"[0-9a-f]{64}", words[4]):
                raise LockError(f"deps.lock line {number}: not a SHA-256 in lower case hex: {words[4]}")
            if not uses <= USES[words[0]]:
                raise LockError(f"deps.lock line {number}: unknown use: {words[5]}")
            packages.append(Package(*words[1:5], uses, " ".join(words), words[0]))
        elif words[0] == "debian" and len(words) == 4 and words[3] in DEBIAN_USES:
            debian.append(tuple(words[1:]))
        else:
            raise LockError(
                f"deps.lock line {number}: neither 'pypi|crate|npm NAME VERSION FILE SHA256 USE' nor "
                f"'debian PACKAGE VERSION USE': {line}"
            )
    return packages, debian


def select(packages, uses):
    """The packages that have one of `uses`, in the order of the lock file."""
    return [package for package in packages if package.uses & set(uses)]


def key(packages, uses, salts):
    """16 hex digits that change with the lock lines of `uses` and with any of the byte strings `salts`."""
    digest = hashlib.sha256()
    for part in [package.line.encode() for package in select(packages, uses)] + list(salts):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


def folder_salt(folder):
    """The names and bytes of the scripts in a folder: those that change what they produce."""
    parts = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.suffix in {".py", ".c", ".cc", ".h", ".json", ".txt"} and "_test" not in path.stem:
            parts += [str(path.relative_to(folder)).encode(), path.read_bytes()]
    return parts


def file_sha256(path):
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def verify(packages, path):
    """Raises LockError unless `path` holds the bytes that the lock file pins under its name."""
    path = pathlib.Path(path)
    pinned = {package.file: package.sha256 for package in packages}
    if path.name not in pinned:
        raise LockError(f"{path.name} is not in deps.lock")
    if not path.is_file():
        raise LockError(f"{path} is missing")
    found = file_sha256(path)
    if found != pinned[path.name]:
        raise LockError(f"{path} is not the pinned file: its SHA-256 is {found}, deps.lock says {pinned[path.name]}")


def unpack_openvino(wheel, folder):
    """Takes out of OpenVINO's wheel what C++ needs: headers, CMake files, libraries (not GPU and NPU) and licences."""
    folder = pathlib.Path(folder)
    left_out = re.compile(r"openvino/libs/(.*_(gpu|npu)_plugin\.so|cache\.json)$")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.match(r"openvino/(include|cmake|libs)/", name) and not left_out.match(name):
                target = folder / name.removeprefix("openvino/")
            elif ".dist-info/licenses/" in name:
                target = folder / "licenses" / name.split(".dist-info/licenses/")[1]
            else:
                continue
            if name.endswith("/"):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))


def crate_address(download, package):
    """Where a registry of crates has a package, by the "dl" of its index (the rule stands in Cargo's book)."""
    if "{" not in download:
        return f"{download}/{package.name}/{package.version}/download"
    prefix = f"{package.name[:2]}/{package.name[2:4]}"  # Of names with at least four letters.
    parts = {"crate": package.name, "version": package.version, "prefix": prefix, "lowerprefix": prefix.lower(),
             "sha256-checksum": package.sha256}
    return re.sub(r"\{([a-z0-9-]+)\}", lambda part: parts[part[1]], download)


def fetch_crate(packages, name, folder):
    """Downloads a crate into `folder`. RAGTIME_CRATES: the sparse index of a mirror, as in Cargo's configuration."""
    package = next(package for package in packages if package.kind == "crate" and package.name == name)
    index = os.environ.get("RAGTIME_CRATES", "").removeprefix("sparse+") or f"https://index.{CRATES}"
    with urllib.request.urlopen(f"{index.rstrip('/')}/config.json", timeout=60) as answer:
        download = json.load(answer)["dl"]
    with urllib.request.urlopen(crate_address(download, package), timeout=60) as answer:
        (pathlib.Path(folder) / package.file).write_bytes(answer.read())


def main(arguments):
    """The commands that tools/setup.sh calls; see USAGE."""
    packages, debian = read_lock(LOCK.read_text(encoding="utf-8"))
    match arguments:
        case ["debian", *uses]:
            for package, version, use in debian:
                if use in uses:
                    print(package, version)
        case [("pypi" | "crate" | "npm") as kind, *uses]:
            for package in select(packages, uses):
                if package.kind == kind:
                    print(package.name, package.version, package.file, package.sha256)
        case ["file", name]:
            print(next(package.file for package in packages if package.name == name))
        case ["fetch-crate", name, folder]:
            fetch_crate(packages, name, folder)
        case ["verify", *paths]:
            for path in paths:
                verify(packages, path)
        case ["key", uses, *salts]:  # A salt is a file, a folder, or "-" for standard input.
            parts = []
            for salt in salts:
                if salt == "-":
                    parts.append(sys.stdin.buffer.read())
                elif pathlib.Path(salt).is_dir():
                    parts += folder_salt(salt)
                else:
                    parts.append(pathlib.Path(salt).read_bytes())
            print(key(packages, uses.split(","), parts))
        case ["unpack-openvino", wheel, folder]:
            unpack_openvino(wheel, folder)
        case _:
            print(
                "usage: deps.py debian USE... | pypi USE... | crate USE... | npm USE... | file NAME | fetch-crate NAME "
                "FOLDER | verify FILE... | key USE,... SALT... | unpack-openvino WHEEL FOLDER",
                file=sys.stderr,
            )
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (LockError, OSError, zipfile.BadZipFile) as error:
        print(f"deps.py: {error}", file=sys.stderr)
        sys.exit(1)
