#!/bin/bash
# fault-wrong-values.sh - is a wrong value refused with the word, and does nothing change?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; from = "1M"; }'
refused() { # OPTION VALUE SENTENCE
    if option fault "$1" "$2" 2>"$work/said"; then fail "$1 = $2 was taken"; fi
    grep -qF -- "$3" "$work/said" || fail "$1 = $2: $(cat "$work/said")"
}
refused ops "read,wrte" "'wrte' is not an operation"
refused ops " , " "names no operation"
refused to 1M "is not after from"
refused error EBUSY EBUSY
refused rate 1.5 1.5
refused count -1 -1
refused delay 2h 2h
assert_eq "$(ctl get exports/vm1/filters/@fault/options/ops)" write
assert_eq "$(ctl get exports/vm1/filters/@fault/options/error)" none
