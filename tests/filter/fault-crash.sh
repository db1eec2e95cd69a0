#!/bin/bash
# fault-crash.sh - is the gateway killed before or after the store has done the work?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
crash() { # WHEN WHAT-IS-ON-THE-DISK
    rm -f "$disk"
    serve "{ filter = \"fault\"; ops = \"write\"; crash = \"$1\"; from = \"1M\"; }"
    nbd "h.pwrite(block, 0); h.flush()"
    nbd "expect(error(h.pwrite, block, 1 << 20) == \"none\", False)" >"$work/crash.log" 2>&1 || true
    wait "$gateway_pid" 2>/dev/null && status=0 || status=$?
    assert_eq $status 137 "the gateway ended with"
    [ "$(od -An -tx1 -N1 "$disk" | tr -d " ")" = 11 ] || fail "the acknowledged write is gone"
    assert_eq "$(od -An -tx1 -j 1048576 -N1 "$disk" | tr -d " ")" "$2" "crash $1"
}
crash before 00
crash after 11
