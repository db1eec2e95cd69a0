#!/bin/bash
# stop-pid.sh - does a test stop what it started, and nobody who has the number after it?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/lib.sh"
spawn sleeper sleep 1000
alive "$pid" || fail "it does not live"
first=$pid
stop_pid "$first"
! kill -0 "$first" 2>/dev/null || fail "it still lives"

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
! kill -0 "$stranger" 2>/dev/null || fail "it still lives"
