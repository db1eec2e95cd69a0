#!/bin/bash
# inspection-shape.sh - do counters and histograms say how the disk is used?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "inspection"; }'
nbd '
for i in range(32):
    h.pread(8192, i * 8192)
for i in range(8):
    h.pwrite(block[:512], 512 + (7 - i) * 1048576)
h.pwrite(block[:512], 512)
'
assert_statistic inspection reads 32
assert_statistic inspection sequential_reads 31
assert_statistic inspection random_reads 1
assert_statistic inspection writes 9
assert_statistic inspection sequential_writes 0
assert_statistic inspection rewrites 1
assert_statistic inspection backward 8
assert_statistic inspection unaligned 9
field() { statistic inspection "$1" | tr " " "\n" | sed -n "s/^$2=//p"; }
assert_eq "$(field read_size count)" 32
assert_eq "$(field read_size max)" 8192
assert_eq "$(field read_seek max)" 0
assert_eq "$(field read_interval count)" 31
assert_eq "$(field write_alignment max)" 512
assert_eq "$(field read_alignment max)" 1048576
assert_eq "$(field write_seek max)" $((1048576 + 512))
