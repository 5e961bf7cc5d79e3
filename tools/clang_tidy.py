#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy-19 over the project's source files, each only when it, a header that it includes or a rule changed.

clang_tidy.py BUILD_FOLDER [--jobs N] [FILE...]: BUILD_FOLDER holds compile_commands.json; without FILE, all files of
the project. Clean results are remembered in $RAGTIME_CACHE/tidy by a hash of all that they depend on; findings are
printed every time. Exit code 1 if there is any. Standard library only.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = "clang-tidy-19"


def cache_folder():
    """Where clean results are remembered, as setup.sh chooses it."""
    base = os.environ.get("RAGTIME_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ragtime")
    return pathlib.Path(base) / "tidy"


def project_headers(path, seen):
    """`path` and all files of the project that it includes, directly or not."""
    if path in seen:
        return
    seen.add(path)
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(encoding="utf-8"), flags=re.M):
        for folder in (ROOT / "include", ROOT / "src", ROOT / "tests", ROOT, path.parent):
            if (folder / name).is_file():
                project_headers((folder / name).resolve(), seen)
                break


def fingerprint(entry, version):
    """Hash of everything that the result for one compile command depends on."""
    files = set()
    project_headers(pathlib.Path(entry["file"]), files)
    # Flags matter, output names and the compiler launcher do not; another clone has another root.
    flags = [word for word in shlex.split(entry["command"]) if word.startswith(("-D", "-std", "-m", "-f"))]
    flags = [flag.replace(str(ROOT), "") for flag in flags]
    digest = hashlib.sha256()
    for part in [version, (ROOT / ".clang-tidy").read_text(encoding="utf-8"), *sorted(set(flags))]:
        digest.update(part.encode() + b"\0")
    for path in sorted(files):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run(entry, build, version, cache):
    """Returns "" for a clean file, else what clang-tidy printed."""
    mark = cache / fingerprint(entry, version)
    if mark.exists():
        return ""
    # gcc's own warning switches mean nothing to clang.
    command = [PROGRAM, "--quiet", "-p", str(build), "--extra-arg=-Wno-unknown-warning-option", entry["file"]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        mark.touch()
        return ""
    return result.stdout.strip() or result.stderr.strip() or f"{PROGRAM} ended with {result.returncode}"


def main():
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_intermixed_args()
    try:
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        entries = json.loads((options.build / "compile_commands.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"clang_tidy.py: {error}: run tools/setup.sh --dev first", file=sys.stderr)
        return 1
    wanted = {str((pathlib.Path.cwd() / name).resolve()) for name in options.files}
    entries = [
        entry
        for entry in entries
        if pathlib.Path(entry["file"]).is_relative_to(ROOT)
        and not pathlib.Path(entry["file"]).is_relative_to(ROOT / "build")
        and (not wanted or entry["file"] in wanted)
    ]
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for output in pool.map(lambda entry: run(entry, options.build, version, cache), entries):
            if output:
                failed += 1
                print(output, flush=True)
    print(f"clang-tidy: {len(entries)} files, {failed} with findings")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
