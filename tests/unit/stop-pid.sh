#!/bin/bash
# stop-pid.sh - does a test stop what it started, and nobody who has the number after it?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/lib.sh"
spawn sleeper sleep 1000
alive "$pid" || fail "it does not live"
first=$pid
stop_pid "$first"
! alive "$first" || fail "it still lives"

# one that loses the first TERM, as a shell's child does that is not yet its program
lose_one() {
    lost=0
    trap '((lost++)) && echo "ends" && exit' TERM
    echo "$BASHPID is ready"
    while sleep 0.1; do :; done
}
spawn deaf lose_one
wait_until 60 grep -q ready "$work/deaf.log"
stop_pid "$pid"
grep -q ends "$work/deaf.log" || fail "it was killed, and TERM was not tried again"

# as if the one that was started had ended, and its number were this one's
spawn other sleep 1000
other=$pid
started=${_since[$other]}
_since[$other]=$((started - 1))
! alive "$other" || fail "another process is taken for ours"
stop_pid "$other"
kill -0 "$other" || fail "another process was stopped"
_since[$other]=$started # at the end of this test it is stopped

spawn short true
wait "$pid"
stop_pid "$pid"
# one that this shell did not start, by its number alone
(sleep 1000 & echo $! >"$work/pid")
stranger=$(cat "$work/pid")
stop_pid "$stranger"
! alive "$stranger" || fail "it still lives"
