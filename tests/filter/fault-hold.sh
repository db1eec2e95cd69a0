#!/bin/bash
# fault-hold.sh - do held requests wait until they are released?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; hold = true; }'
spawn writer nbdsh -u "$url" -c "h.pwrite(b\"1\" * 512, 0)" -c "h.pread(512, 0)"
writer=$pid
held_is() { [ "$(statistic fault held)" = "$1" ]; }
wait_until 60 held_is 1
nbd "expect(h.pread(512, 0), bytes(512))"
kill -0 $writer || fail "the write did not wait"
assert_eq "$(ctl get exports/vm1/filters/@fault/held)" 1 "held, as the core sees it"
verb fault release
wait $writer || fail "the released write failed"
held_is 0 || fail "still held"
nbd "expect(h.pread(512, 0), b\"1\" * 512)"
