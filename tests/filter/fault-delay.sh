#!/bin/bash
# fault-delay.sh - do hit requests come later, and only they?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; delay = "300ms"; delay_jitter = "100ms"; }'
nbd '
began = time.monotonic()
cookies = [h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(block)), i * 4096) for i in range(8)]
h.pread(4096, 65536)
while h.aio_in_flight():
    h.poll(-1)
took = time.monotonic() - began
assert took >= 0.3, f"the writes took {took} s"
'
assert_statistic fault delayed 8
assert_statistic fault hits 8
option fault delay 0
option fault delay_jitter 0
nbd "h.pwrite(block, 0)"
assert_statistic fault delayed 8
