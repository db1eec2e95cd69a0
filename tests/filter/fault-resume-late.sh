#!/bin/bash
# fault-resume-late.sh - is a resume refused that comes after the gateway has given the request up?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
POLICY_MORE='hold_limit = "100ms"; on_filter_failure = "bypass";'
serve '{ filter = "fault"; ops = "write"; misbehave = "resume-late"; count = 1; }'
nbd "h.pwrite(block, 0)"
before=$(ctl get events | grep -c "does not hold" || true)
verb fault release
after=$(ctl get events | grep "filter=fault" | grep -c "does not hold")
assert_eq "$after" $((before + 1)) "reports"
nbd "h.pwrite(block, 4096); expect(h.pread(8192, 0), block + block)"
