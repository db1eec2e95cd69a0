#!/bin/bash
# fault-torn.sh - is the first part of a torn write stored, and no more?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; torn = "1536"; }'
half='expect(h.pread(4096, 0), block[:1536] + bytes(2560))'
nbd "expect(error(h.pwrite, block, 0), \"EIO\"); $half"
option fault error ENOSPC
nbd "expect(error(h.pwrite, block, 0), \"ENOSPC\"); $half"
option fault lose true
nbd "expect(error(h.pwrite, block, 0), \"none\"); $half"
assert_statistic fault torn 3
