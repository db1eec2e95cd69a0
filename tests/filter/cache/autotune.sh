#!/bin/bash
# autotune.sh - does a pool give new blocks more room when a guest needs it, and only if told to?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=512M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'sequential = "none";')"
# Sets of 20 MiB, three times each, in a pool of 64 MiB: a small queue of 9 % has forgotten a block
# when it is asked for again, one of 40 % has it.
sets() {
    nbd "for i in range($1, $2):
    for time in range(3):
        for at in range(0, 20 << 20, 1 << 16): h.pread(1 << 16, i * (20 << 20) + at)"
}
log=$(statistic cache small_percent) # of so small a pool it is more than 9 %
[[ $log =~ ^(9|1[0-3])$ ]] || fail "small_percent is $log"
sets 0 4
assert_statistic cache small_percent "$log"
option cache autotune true
is_tuned() { [ "$(statistic cache small_percent)" -ge 20 ]; }
sets 4 22
wait_until 30 is_tuned
assert_said "autotune: new blocks have $(statistic cache small_percent)% of the pool ssd"
option cache autotune false
assert_statistic cache small_percent "$log"
assert_said "autotune: new blocks have the log of the pool ssd again"
sets 22 24
assert_statistic cache crc_errors 0
