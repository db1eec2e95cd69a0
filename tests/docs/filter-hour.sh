#!/bin/bash
# filter-hour.sh - does filters/README.md's filter work, typed as it is written?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires nbdsh fusermount3 man col
[ -r /dev/fuse ] || skip "needs /dev/fuse"
. "$WEIR_SOURCE/tests/docs/installed.sh"

# A block after a line that ends with "`NAME`:" is saved as that file, where it stands.
python3 - "$WEIR_SOURCE/filters/README.md" >"$work/README.md" <<'END'
import re
import sys

def saved(block):
    lines = "".join("> " + line + "\n" for line in block[2].splitlines())
    return f"`{block[1]}`:\n\n```console\n$ cat >{block[1]} <<'SAVED'\n{lines}> SAVED\n```\n"

text = open(sys.argv[1], encoding="utf-8").read()
text, count = re.subn(r"`([\w.-]+)`:\n\n```\w*\n(.*?)^```$\n", saved, text, flags=re.DOTALL | re.MULTILINE)
sys.stdout.write(text)
assert count == 5, count
END
unset WEIR_FILTERS WEIR_RUN WEIR_STATE
mkdir "$work/author"
cd "$work/author"
cleanup_fn 'fusermount3 -u -z -q "$work/author/slow/fs" || true'
cleanup_fn 'kill "$(cat "$work/author/slow/run/pid")" 2>/dev/null || true'
CFLAGS=-Werror python3 "$WEIR_SOURCE/tests/docs/readme.py" "$work/README.md" "A filter in an hour"
