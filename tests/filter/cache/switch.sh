#!/bin/bash
# switch.sh - can mode and order be changed while a guest writes, and nothing is lost?
# SPDX-License-Identifier: BSD-3-Clause
#
# switch.sh [OPERATIONS [SEED]]
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
seed=${2:-$RANDOM}
serve_cache "$(cached 'destage_delay = "20ms";')"
change_all() {
    for mode in write-back read write-through write-back; do
        option cache mode $mode
        option cache order "$([ $((RANDOM % 2)) = 0 ] && echo fast || echo ordered)"
        changes=$((changes + 1))
    done
    verb cache invalidate >/dev/null
    verb cache detach >/dev/null
    verb cache fill >/dev/null
}
changes=0
for ((round = 0; changes < 8; round++)); do # a guest may be done before much was changed
    spawn load model load "$url" "$work/model" $((seed + round)) "${1:-4000}"
    load_pid=$pid
    wait_until 60 grep -q loading "$work/load.log"
    while kill -0 "$load_pid" 2>/dev/null; do change_all; done
    wait "$load_pid" || fail "$(cat "$work/load.log")"
    grep -q "{'None'}" "$work/load.log" || fail "$(cat "$work/load.log")"
done
echo "seed $seed, $changes changes"
model check "$url" "$work/model"
drain
model image "$disk" "$work/model"
