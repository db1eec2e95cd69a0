#!/usr/bin/env python3
"""verbatim.py - what does a manual page show word for word?

SPDX-License-Identifier: BSD-3-Clause

    verbatim.py POD FOLDER

Writes each verbatim block of the page, without its indent, as FOLDER/NN; blocks with
nothing but blank lines between them are one.
"""
import os
import sys
import textwrap

pod, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
blocks, inside = [], False
for line in open(pod, encoding="utf-8"):
    if line[0] in " \t":
        if not inside:
            blocks.append("")
        inside = True
        blocks[-1] += line
    elif line == "\n" and inside:
        blocks[-1] += line
    else:
        inside = False
for number, block in enumerate(blocks):
    with open(os.path.join(folder, f"{number:02}"), "w", encoding="utf-8") as out:
        out.write(textwrap.dedent(block).strip("\n") + "\n")
