#!/bin/bash
# fault-corrupt.sh - is one byte wrong, where it was asked for and nowhere else?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "read"; corrupt = true; }'
differ='
def wrong(a, b):
    return [(x, y) for x, y in zip(a, b) if x != y]
'
nbd "$differ"'
h.pwrite(block, 0)
seen = wrong(h.pread(4096, 0), block)
expect(seen, [(0x11 ^ 0xff, 0x11)])
'
assert_statistic fault corrupted 1
option fault ops write
nbd "$differ"'
written = nbd.Buffer.from_bytearray(bytearray(block))
h.pwrite(written.to_bytearray(), 4096)
expect(written.to_bytearray(), bytearray(block))
expect(wrong(h.pread(4096, 4096), block), [(0x11 ^ 0xff, 0x11)])
expect(h.pread(4096, 0), block)
'
assert_statistic fault corrupted 2
