#!/bin/bash
# fault-several.sh - do several stand in one chain, each with its own label and options?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "read"; error = "EIO"; from = "1M"; },
       { filter = "fault"; ops = "write"; error = "ENOSPC"; from = "1M"; }'
nbd '
M = 1 << 20
expect(error(h.pread, 512, M), "EIO")
expect(error(h.pwrite, block, M), "ENOSPC")
expect(error(h.pwrite, block, 0), "none")
'
assert_statistic fault hits 1
assert_statistic fault-2 hits 1
