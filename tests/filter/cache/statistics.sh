#!/bin/bash
# statistics.sh - do the numbers add up?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h"; sequential = "none";')"
value() { statistic cache "$1"; }
assert_statistic cache pool_size_bytes $((64 << 20))
assert_statistic cache pool ssd
nbd 'for i in range(100): h.pread(4096, i << 16)
for i in range(100): h.pread(4096, i << 16)
h.pread(8192, 0)'
# a block is a hit or a miss; what was missed was filled; what was filled is there
assert_statistic cache misses 101
assert_statistic cache hits 101
assert_statistic cache partial_hits 1
assert_statistic cache fills 101
assert_statistic cache clean_bytes $((101 << 12))
assert_statistic cache dirty_bytes 0
nbd 'for i in range(50): h.pwrite(block, (i << 16) + 4096)
for i in range(50): h.pwrite(block, (i << 16) + 4096)
h.flush()'
assert_statistic cache dirty_bytes $((50 << 12))
assert_statistic cache flushes 1
# 101 clean ones, of which the first write replaced one
assert_statistic cache clean_bytes $((100 << 12))
verb cache flush
wait_until 60 is_clean
assert_statistic cache destaged_bytes $((50 << 12))
assert_statistic cache clean_bytes $((150 << 12))
assert_statistic cache destage_backlog 0
[ "$(value pool_written_bytes)" -ge $(((101 + 100) << 12)) ] || fail "pool_written_bytes: $(value pool_written_bytes)"
for zero in pool_errors crc_errors recovered_blocks evictions bypassed trims_ignored; do assert_statistic cache $zero 0; done
value mrc >/dev/null
stop_gateway
serve_again
assert_statistic cache recovered_blocks 150
assert_statistic cache clean_bytes $((150 << 12))
