#!/bin/bash
# inspection-switch.sh - can the trace be turned off, on, cleared and marked while requests run?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "inspection"; trace = false; }'
lines() { statistic inspection trace | grep -vc "^#" || true; }
nbd "h.pread(512, 0)"
assert_eq "$(lines)" 0 "lines with trace = false"
assert_statistic inspection reads 1
option inspection trace true
nbd "h.pread(512, 0)"
verb inspection "mark the backup begins"
nbd "h.pread(512, 4096)"
assert_eq "$(statistic inspection trace | grep -v "^#" | cut -d" " -f2- | cut -d" " -f1-4 | paste -sd";")" \
    "read 0 512 -;mark the backup begins;read 4096 512 -"
verb inspection clear
assert_eq "$(lines)" 0 "lines after clear"
if verb inspection mark 2>"$work/said"; then fail "an empty mark was taken"; fi
grep -qF "expected one line of 1 to 120 bytes" "$work/said" || fail "$(cat "$work/said")"
