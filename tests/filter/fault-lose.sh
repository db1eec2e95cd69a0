#!/bin/bash
# fault-lose.sh - is a lost write acknowledged and not done?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write,zero,trim,flush"; lose = true; }'
nbd '
expect(error(h.pwrite, block, 0), "none")
expect(error(h.flush), "none")
expect(h.pread(4096, 0), bytes(4096))
'
assert_statistic fault lost 2
option fault ops read
nbd '
h.pwrite(block, 0)
expect(h.pread(4096, 0), block)
'
assert_statistic fault lost 2
