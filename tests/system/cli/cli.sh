# cli.sh - what do the tests of weirctl share?  Sourced by each, after tests/lib.sh.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
requires python3

# fake NAME [ARGUMENTS…]: a gateway that says what a test wants; sets $pid.
fake() {
    local name=$1; shift
    spawn "fake-$name" python3 "$WEIR_SOURCE/tests/system/cli/fake-gateway.py" "$WEIR_RUN" "$name" "$@"
    wait_until 60 connects "$name"
}
connects() {
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' \
        "$WEIR_RUN/ctl/$1.sock"
}

# ctl WORDS…: runs weirctl; sets $out, $err and $code.
ctl() {
    code=0
    out=$("$weirctl" "$@" 2>"$work/err" </dev/null) || code=$?
    err=$(cat "$work/err")
}
# expect CODE WORDS…: runs weirctl, which must end so.
expect() {
    local want=$1; shift
    ctl "$@"
    [ "$code" = "$want" ] || fail "weirctl $* ended with $code and not $want: $out$err"
}
says() { grep -qF -- "$1" <<<"$out" || fail "'$1' is not in: $out"; }
complains() { grep -qF -- "$1" <<<"$err" || fail "'$1' is not in: $err"; }
# json EXPRESSION: python, with the document that weirctl printed as d; must be true.
json() {
    python3 -c 'import json, sys; d = json.loads(sys.argv[1]); sys.exit(not (eval("(" + sys.argv[2] + ")")))' \
        "$out" "$1" || fail "not true: $1 of $out"
}
