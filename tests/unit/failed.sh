#!/bin/bash
# failed.sh - does tests/failed count each result, and tell each failure with its end?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/lib.sh"
failed=$WEIR_SOURCE/tests/failed
python3 - >"$work/testlog.json" <<'PYTHON'
import json
def test(name, result, stdout="", stderr=""):
    print(json.dumps({"name": "weir:unit / " + name, "result": result, "returncode": 3,
                      "duration": 1.25, "stdout": stdout, "stderr": stderr}))
test("good", "OK")
test("wrong", "EXPECTEDFAIL")
test("absent", "SKIP", "SKIP: needs it\n")
test("broken", "FAIL", "".join(f"out {n}\n" for n in range(100)), "an \33[31merror\n")
test("endless", "TIMEOUT")
test("crash", "ERROR", "x" * 5000)
PYTHON
assert_eq "$("$failed" meson "$work/failures" asan "$work/testlog.json")" "2 3 1" "passed, failed, skipped"
printf 'first\nlast\n' | "$failed" add "$work/failures" check "formatter"
"$failed" show "$work/failures" >"$work/shown"
assert_eq "$(tail -n 5 "$work/shown")" "FAILED: asan: unit / broken (FAIL, exit 3, 1.2 s)
FAILED: asan: unit / endless (TIMEOUT, exit 3, 1.2 s)
FAILED: asan: unit / crash (ERROR, exit 3, 1.2 s)
FAILED: check: formatter" "the failures, last"
grep -qx '    out 99' "$work/shown" || fail "the end of what broken said is gone"
! grep -qx '    out 60' "$work/shown" || fail "more than 40 lines of a failure"
grep -qx '    an ?\[31merror' "$work/shown" || fail "what broken said on stderr, without its escape"
grep -qx '    last' "$work/shown" || fail "what the formatter said"
[ "$(wc -L <"$work/shown")" -le 204 ] || fail "a line of $(wc -L <"$work/shown") characters"
: >"$work/none"
assert_eq "$("$failed" show "$work/none")" "" "what is said of no failure"
