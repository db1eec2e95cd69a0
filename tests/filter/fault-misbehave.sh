#!/bin/bash
# fault-misbehave.sh - does the gateway name a filter that breaks the rules, and live on?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
POLICY_MORE='hold_limit = "100ms"; on_filter_failure = "bypass";'
serve '{ filter = "fault"; ops = "write"; count = 1; }'
mistake() { # HOW WHAT-THE-EVENTS-SAY
    option fault misbehave "$1"
    verb fault reset
    nbd "expect(error(h.pwrite, block, 0), \"none\"); expect(h.pread(4096, 0), block)"
    ctl get events | grep "filter=fault" | grep -q "$2" || { ctl get events; fail "$1 was not reported"; }
}
mistake resume-twice "resumed a request that it does not hold"
mistake resume-undeferred "resumed a request that it did not defer"
mistake never-resume "bypassed"
nbd "h.pwrite(block, 0)"
