#!/bin/bash
# killed.sh - does a gateway that is killed under load lose what it has answered, or its warm cache?
# SPDX-License-Identifier: BSD-3-Clause
#
# killed.sh [ROUNDS [SEED]]: 21 rounds by default, of each mode in turn.
SIZE=32M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
rounds=${1:-$(often 21)} seed=${2:-$RANDOM}
echo "seed $seed"
modes=(write-back read write-through)

# the second half of the disk is what stays: read once before, and again after each death
warm() { nbd 'for i in range(16): h.pread(1 << 20, (16 + i) << 20)'; }
hits_of_warm() {
    local before; before=$(statistic cache hits)
    warm
    echo $(($(statistic cache hits) - before))
}
answers_some() { [ "$(ctl get exports/vm1/stats/write/requests)" -gt "$1" ]; }

configure "$(cached 'mode = "write-back"; sequential = "none"; destage_delay = "100ms";')"
serve_again
warm
before=$(hits_of_warm)
assert_eq "$before" 4096 "blocks of the second pass that were hits"
sleep 6 # a checkpoint tells the pool what slots hold, at the latest after 5 s
for ((i = 0; i < rounds; i++)); do
    mode=${modes[i % 3]}
    option cache mode "$mode"
    spawn load model load "$url" "$work/model" $((seed + i)) 100000 $((16 << 20))
    load_pid=$pid
    wait_until 60 grep -q loading "$work/load.log"
    wait_until 60 answers_some $((RANDOM % 3000))
    kill_server
    wait "$load_pid" || fail "round $i, $mode: $(cat "$work/load.log")"
    serve_again
    model check "$url" "$work/model" || fail "round $i, $mode"
    after=$(hits_of_warm)
    [ "$after" -ge $((before * 95 / 100)) ] || fail "round $i, $mode: $after hits, $before before"
done
# and in order
stop_gateway
serve_again
after=$(hits_of_warm)
[ "$after" -ge $((before * 95 / 100)) ] || fail "restart: $after hits, $before before"
model check "$url" "$work/model"
drain
stop_gateway
model image "$disk" "$work/model"
