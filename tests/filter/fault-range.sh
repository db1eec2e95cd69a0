#!/bin/bash
# fault-range.sh - is a request hit when it touches the range with one byte, and only then?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "read"; from = "1M"; to = "2M"; error = "EIO"; }'
nbd '
M = 1 << 20
expect(error(h.pread, 512, M - 512), "none")
expect(error(h.pread, 513, M - 512), "EIO")
expect(error(h.pread, 1, 2 * M - 1), "EIO")
expect(error(h.pread, 512, 2 * M), "none")
expect(error(h.pread, 3 * M, 0), "EIO")
'
