#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints docs/reference/command-line.md from what the binary says of itself: command_reference.py BINARY."""

import re
import subprocess
import sys

HEAD = """# The command line

Exit codes: 0 done, 1 failed, 2 wrong use. Errors are told on stderr with a remedy, and with `--json` also as
[an object](json/error.schema.json) on stdout; what else `--json` prints has its schema in [json](json). Keys of the
[configuration](config.md) hold where no option says otherwise. This page is made by
`tools/command_reference.py BINARY`, and a test holds it there.
"""
SECTION = re.compile(r"^(Positionals|Options|Subcommands):$")
ROW = re.compile(r"^  (\S.*?)(?:  +(\S.*))?$")


def sections(binary, command):
    """{section: [(name, what)]} of `--help`."""
    text = subprocess.run([binary, *command, "--help"], capture_output=True, text=True, check=True).stdout
    found, rows = {}, None
    for line in text.splitlines()[1:]:
        if match := SECTION.match(line):
            rows = found.setdefault(match.group(1), [])
        elif not line:
            rows = None
        elif rows is not None and line.startswith(" " * 20):
            rows[-1] = (rows[-1][0], line.strip())
        elif rows is not None and (match := ROW.match(line)):
            rows.append((match.group(1), match.group(2) or ""))
    return text.splitlines()[0], found


def shown(name):
    """"--top-k UINT:INT in [1 - 1000]" as people read it: `--top-k` 1 to 1000."""
    option, _, kind = name.partition(" ")
    needed = ", required" if kind.endswith("REQUIRED") else ""
    values = re.search(r"\{(.*)\}", kind)
    span = re.search(r"in \[(\S+) - ([^]]+)\]", kind)
    default = re.search(r"=\[?([^]\s]+)", kind)
    words = f" {values.group(1).replace(',', ', ')}" if values else ""
    words += f" {span.group(1)} to {span.group(2)}" if span else ""
    words += f" (else {default.group(1)})" if default else ""
    return f"`{option}`{words}{needed}".replace("|", "\\|")


def describe(binary, command):
    what, found = sections(binary, command)
    yield f"\n## ragtime {' '.join(command)}\n\n{what}.\n"
    rows = found.get("Positionals", []) + [row for row in found["Options"] if not row[0].startswith("-h,")]
    if rows:
        yield "\n| | |\n|---|---|\n"
        for name, text in rows:
            yield f"| {shown(name)} | {text.replace('|', chr(92) + '|')} |\n"
    for name, _ in found.get("Subcommands", []):
        yield from describe(binary, [*command, name])


def page(binary):
    commands = sections(binary, [])[1]["Subcommands"]
    return HEAD + "".join(piece for name, _ in commands for piece in describe(binary, [name]))


if __name__ == "__main__":
    print(page(sys.argv[1]), end="")
