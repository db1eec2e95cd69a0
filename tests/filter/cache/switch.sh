#!/bin/bash
# switch.sh - can mode and order be changed while a guest writes, and nothing is lost?
# SPDX-License-Identifier: BSD-3-Clause
#
# switch.sh [OPERATIONS [SEED]]
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
seed=${2:-$RANDOM}
serve_cache "$(cached 'destage_delay = "20ms";')"
spawn load model load "$url" "$work/model" "$seed" "${1:-4000}"
load_pid=$pid
wait_until 60 grep -q loading "$work/load.log"
changes=0
while kill -0 "$load_pid" 2>/dev/null; do
    for mode in write-back read write-through write-back; do
        option cache mode $mode
        option cache order "$([ $((RANDOM % 2)) = 0 ] && echo fast || echo ordered)"
        changes=$((changes + 1))
    done
    verb cache invalidate >/dev/null
    verb cache detach >/dev/null
    verb cache fill >/dev/null
done
wait "$load_pid" || fail "$(cat "$work/load.log")"
grep -q "{'None'}" "$work/load.log" || fail "$(cat "$work/load.log")"
[ $changes -ge 8 ] || fail "only $changes changes while the guest wrote"
echo "seed $seed, $changes changes"
model check "$url" "$work/model"
drain
model image "$disk" "$work/model"
