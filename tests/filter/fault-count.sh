#!/bin/bash
# fault-count.sh - does it stop after so many hits, and hit again when it is told to?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; count = 3; error = "ENOSPC"; }'
writes() { nbd 'print(",".join(error(h.pwrite, block, 0) for i in range(5)))'; }
assert_eq "$(writes)" ENOSPC,ENOSPC,ENOSPC,none,none
verb fault "hit-next 2"
assert_eq "$(writes)" ENOSPC,ENOSPC,none,none,none
assert_statistic fault hits 5
verb fault reset
assert_eq "$(writes)" ENOSPC,ENOSPC,ENOSPC,none,none
if verb fault "hit-next many" 2>"$work/said"; then fail "hit-next many was taken"; fi
grep -q "hit-next: 'many' is not a number of requests; expected hit-next 10" "$work/said" || fail "$(cat "$work/said")"
