#!/bin/bash
# prefixes.sh - may a policy be written in pieces, cut anywhere?
# SPDX-License-Identifier: BSD-3-Clause
#
# weirfs asks with each write() whether the text so far can still become a policy, and
# fails the write when it cannot: the gateway must not say so of the beginning of a good one.
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_real
start_weirfs
cat >"$work/policy" <<'POLICY'
# production

name = "gold";  /* of two
  lines */
description = "databases, \"large\" ones";
plaintext_filters = false;
hold_limit = "20s";
// another comment
filters = (
  { filter = "pass"; }, # none
  { filter = "inspection"; ring = 640; },
  { filter = "fault"; rate = 0.5; delay = "10ms"; error = "EIO"; }
);
# the end
POLICY
python3 - "$WEIR_RUN/ctl/main.sock" "$work/policy" <<'PYTHON'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
answers = s.makefile()
text = open(sys.argv[2]).read()
def check(path, text):
    s.sendall(json.dumps(dict(op="check", path=path, text=text)).encode() + b"\n")
    return json.loads(answers.readline())
for path in "policies/gold", "policies/other", "exports/vm1/policy.conf":
    whole = text.replace("gold", "other") if path.endswith("other") else text
    if path.startswith("exports"):
        whole = "\n".join(l for l in whole.split("\n") if not l.startswith(("name", "  lines", "desc")))
    for n in range(len(whole) + 1):
        a = check(path, whole[:n])
        # a mistake in the very last word may be one because the word was cut
        touches = not a["ok"] and whole[:n].endswith(a["mistakes"][0]["word"])
        assert a["ok"] or a.get("at_end") or touches, (path, n, whole[:n][-40:], a)
    assert a["ok"], a
PYTHON
# the same through the mount, byte by byte and line by line
dd if="$work/policy" of="$mnt/policies/gold" bs=1 2>"$work/dd.log" || fail "$(cat "$work/dd.log" "$mnt/last_error")"
cmp "$work/policy" "$mnt/policies/gold"
while IFS= read -r line; do printf '%s\n' "$line"; done <"$work/policy" >"$mnt/policies/gold" ||
    fail "$(cat "$mnt/last_error")"
cmp "$work/policy" "$mnt/policies/gold"
assert_eq "$(ls "$mnt/exports/vm1/filters" | wc -l)" 3 "filters"
