#!/bin/bash
# clients-protocol.sh - does each NBD command do what the protocol says, behind any chain?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
policy one '{ filter = "pass"; }'
policy five '{ filter = "pass"; }, { filter = "fault"; rate = 0.0; }, { filter = "pass"; },
             { filter = "inspection"; ring = 64; }, { filter = "pass"; }'
disk chain0 16M
disk chain1 16M one
disk chain5 16M five
serve
for chain in 0 1 5; do
    echo "--- $chain filters"
    /usr/bin/python3 "$here/clients-protocol.py" "$sock" chain$chain || fail "behind $chain filters"
done
