#!/bin/bash
# clients-protocol.sh - does each NBD command do what the protocol says, behind any chain?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh" || exit
. "$here/chains.sh"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
[ $# = 0 ] || chains=("$@")
[ "$WEIR_SERVER" = weir ] || chains=(none)
for chain in "${chains[@]}"; do chain_disk "$chain" $((16 << 20)); done
serve_chains 64M
for chain in "${chains[@]}"; do
    echo "--- $chain"
    # shellcheck disable=SC2046 # a word or none
    /usr/bin/python3 "$here/clients-protocol.py" "$sock" "$chain" $(is_opaque "$chain" && echo opaque) || fail "behind $chain"
done
