#!/bin/bash
# fault-delay-error.sh - does a delayed request get its error, and an error after the store leave the data?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; delay = "50ms"; error = "EIO"; }'
nbd '
expect(error(h.pwrite, block, 0), "EIO")
expect(h.pread(4096, 0), bytes(4096))
'
option fault after true
nbd '
expect(error(h.pwrite, block, 0), "EIO")
expect(h.pread(4096, 0), block)
'
