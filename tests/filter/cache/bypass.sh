#!/bin/bash
# bypass.sh - what is not kept: long runs, live; and what is kept without being read: prefetch.
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-through"; sequential = "1M";')"
value() { statistic cache "$1"; }
# run FROM: 4 MiB in order, by 128 KiB
run() { nbd "for i in range(32): h.pread(128 << 10, ($1 << 20) + (i << 17))"; }

run 0
assert_statistic cache bypassed $((3 << 8))
assert_statistic cache fills $((1 << 8))
run 0 # the first MiB is there, and the rest is not
assert_statistic cache hits $((1 << 8))
# what is in the pool is read from there, however long the run
option cache sequential none
run 4
assert_statistic cache bypassed $((6 << 8))
assert_statistic cache fills $((5 << 8))
option cache sequential 1M
before=$(value hits)
run 4
assert_eq $(($(value hits) - before)) $((4 << 8)) "hits of a long run that is in the pool"
# requests here and there are no run
before=$(value fills)
nbd 'for i in range(64): h.pread(4096, (12 << 20) + (i * 29 % 64 << 16))'
assert_eq $(($(value fills) - before)) 64 "fills of reads here and there"
# writes
before=$(value fills)
nbd 'for i in range(32): h.pwrite(block * 32, (16 << 20) + (i << 17))'
[ $(($(value fills) - before)) -le $((1 << 8)) ] || fail "a long run of writes is kept: $(value fills)"

# prefetch: the store is asked now, the guest reads hits
before=$(value hits)
nbd 'h.cache(1 << 20, 24 << 20)'
fetched=$(value misses)
nbd 'for i in range(256): h.pread(4096, (24 << 20) + (i * 37 % 256 << 12))'
assert_eq $(($(value hits) - before)) 256 "hits of what was prefetched"
assert_eq "$(value misses)" "$fetched" "misses of what was prefetched"
