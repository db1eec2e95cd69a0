#!/bin/bash
# live-chain.sh - do filters come and go a thousand times without a client's error?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires fio
needs_weir
policy live '{ filter = "pass"; }'
disk busy 32M live
serve

# fio writes and reads back, round after round, until the chain has changed often enough.
verify() {
    local round=0
    until [ -e "$work/stop" ]; do
        fio --name=verify --ioengine=nbd --uri="$1" --rw=randwrite --bsrange=512-64k --blockalign=512 --size=16m \
            --iodepth=16 --fsync=100 --randseed=$((round++)) --verify=crc32c --verify_fatal=1 \
            >"$work/fio.log" 2>&1 || return
        echo "ROUND $round"
    done
}
verify "$(uri busy)" >"$work/verify.log" &
load=$!
_pids+=("$load")
wait_until 60 grep -q 'ROUND 1' "$work/verify.log"
/usr/bin/python3 "$here/live-chain.py" "$WEIR_RUN" busy live "${WEIR_REPEAT:-1000}" || fail "a change was refused"
touch "$work/stop"
wait "$load" || fail "fio saw an error while the chain changed"
echo "$(grep -c ROUND "$work/verify.log") rounds of fio --verify"
