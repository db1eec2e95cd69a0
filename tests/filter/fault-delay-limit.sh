#!/bin/bash
# fault-delay-limit.sh - is a delay cut short by the policy's hold limit?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
POLICY_MORE='hold_limit = "100ms"; on_filter_failure = "lock";'
serve '{ filter = "fault"; ops = "write"; delay = "60s"; error = "ENOSPC"; }'
nbd 'expect(error(h.pwrite, block, 0), "ENOSPC")' # and not EIO of a locked disk
nbd 'expect(error(h.pread, 4096, 0), "none")'
ctl get events | grep -q "filter=fault.*is told to let go" || fail "$(ctl get events)"
