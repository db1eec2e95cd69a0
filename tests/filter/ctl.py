#!/usr/bin/env python3
"""What does a node of the mount say, and what does it take?  Asked at the control socket.
SPDX-License-Identifier: BSD-3-Clause

ctl.py get PATH        prints its text
ctl.py set PATH TEXT   writes it; an error is printed as ERRNO: SENTENCE, exit 1

A part of PATH that is @LABEL is the folder of the filter with that label.
"""
import json
import os
import re
import socket
import sys


def ask(stream, **request):
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    answer = json.loads(stream.readline())
    if not answer["ok"]:
        sys.exit(f"{answer['errno']}: {answer['message']}")
    return answer


run = os.path.join(os.environ["WEIR_RUN"], "ctl")
with socket.socket(socket.AF_UNIX) as s:
    s.connect(os.path.join(run, next(n for n in os.listdir(run) if n.endswith(".sock"))))
    stream = s.makefile("rw")
    op, path = sys.argv[1:3]
    before, at, rest = path.partition("/@")
    if at:
        label, slash, rest = rest.partition("/")
        names = [n["name"] for n in ask(stream, op="list", path=before)["names"]]
        found = [n for n in names if re.fullmatch(r"\d+-" + re.escape(label), n)]
        if not found:
            sys.exit(f"no filter {label} among {names}")
        path = before + "/" + found[0] + slash + rest
    more = {"text": sys.argv[3]} if op == "set" else {}
    sys.stdout.write(ask(stream, op=op, path=path, **more).get("text", ""))
