#!/bin/bash
# fault-rate.sh - does a rate hit its share, and the same requests again with the same seed?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; rate = "25%"; seed = 7; error = "EIO"; }'
hits() { nbd 'print("".join("x" if error(h.pwrite, block, 0) == "EIO" else "." for i in range(400)))'; }
first=$(hits)
count=$(tr -cd x <<<"$first" | wc -c)
[ "$count" -gt 70 ] && [ "$count" -lt 130 ] || fail "$count of 400 were hit by 25 %"
assert_statistic fault hits "$count"
second=$(hits)
[ "$first" != "$second" ] || fail "the count did not go on"
verb fault reset
assert_eq "$(hits)" "$first" "after reset"
assert_eq "$(hits)" "$second" "after reset, going on"
option fault seed 8
verb fault reset
[ "$(hits)" != "$first" ] || fail "another seed hits the same requests"
option fault rate 0
[[ $(hits) != *x* ]] || fail "a rate of 0 hits"
