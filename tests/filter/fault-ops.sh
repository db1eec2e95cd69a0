#!/bin/bash
# fault-ops.sh - are only the named operations hit?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write, flush"; error = "EIO"; }'
nbd '
expect(error(h.pread, 4096, 0), "none")
expect(error(h.pwrite, block, 0), "EIO")
expect(error(h.flush), "EIO")
expect(error(h.trim, 4096, 0), "none")
expect(error(h.zero, 4096, 0), "none")
'
assert_statistic fault hits 2
assert_statistic fault errors 2
option fault ops zero
nbd '
expect(error(h.zero, 4096, 0), "EIO")
expect(error(h.pwrite, block, 0), "none")
'
