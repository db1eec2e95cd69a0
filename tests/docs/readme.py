#!/usr/bin/env python3
"""readme.py - do README's console blocks print what README says?

SPDX-License-Identifier: BSD-3-Clause

    readme.py README.md HEADING

Types what stands after "$ " (and "> ", for lines that go on) in the ```console blocks
below HEADING into one bash, and compares.  "..." stands for any text.
"""
import re
import subprocess
import sys

MARK = "~~~ next ~~~"


def blocks(path, heading):
    """[(line number, command, expected output)] of the section."""
    steps, inside, section = [], False, False
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("## "):
            section = line == "## " + heading
        elif line.startswith("```"):
            inside = section and line == "```console"
        elif inside and line.startswith("$ "):
            steps.append([number, line[2:], ""])
        elif inside and line.startswith("> "):
            steps[-1][1] += "\n" + line[2:]
        elif inside:
            steps[-1][2] += line + "\n"
    return steps


def matches(expected, printed):
    pattern = ".*".join(re.escape(part) for part in expected.rstrip("\n").split("..."))
    return re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL)


def main():
    path, heading = sys.argv[1:]
    steps = blocks(path, heading)
    if not steps:
        sys.exit(f"{path} has no console blocks under {heading}")
    script = "".join(f"{command}\necho '{MARK}'\n" for _, command, _ in steps)
    said = subprocess.run(["bash"], input=script, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.split(MARK + "\n")
    failed = 0
    for (number, command, expected), printed in zip(steps, said):
        if not matches(expected, printed):
            failed += 1
            print(f"{path}:{number}: $ {command}\n--- README\n{expected}--- printed\n{printed}")
    if len(said) != len(steps) + 1:
        sys.exit(f"the shell ended after {len(said) - 1} of {len(steps)} commands")
    print(f"{len(steps)} commands, {failed} differ")
    return failed != 0


sys.exit(main())
