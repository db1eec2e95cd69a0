#!/bin/bash
# way-back.sh - is all there that guests were told to be written, when disks go to the other site and come home?
# SPDX-License-Identifier: BSD-3-Clause
#
# way-back.sh [ROUNDS [SEED]]
# Both sites are killed on the way, and the guest writes on.
# shellcheck disable=SC2046  # a word for each disk
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
rounds=${1:-$(often 3)}
RANDOM=${2:-$RANDOM} seed=$RANDOM
echo "seed $seed"
RANDOM=$seed
DISKS=(vm1 vm2) GROUP=db
REPLICATION='group = "db"; mode = "sync"; connections = 2; frame = "256k"; ring = "8M"; without_peer = "suspend";'
at_target() { WEIR_RUN=$work/target/run WEIR_STATE=$work/target/state "$@"; }
replica() { "$weirctl" replica "$@" >"$work/replica.log" 2>&1 || fail "replica $*: $(cat "$work/replica.log")"; }
load() { # URI of each disk
    start_ledger --seed $RANDOM --pattern overlap --rate 1000 --largest 32768 --reconnect 120 --server-dies "$@"
}
no_client() { local d; for d in "${DISKS[@]}"; do "$weirctl" --json export show "$d" | jq -e '.connections == 0' >"$work/clients" || return 1; done; }
heads() { for d in "${DISKS[@]}"; do printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s ' "$d" "$target_sock" "$work/keys.psk"; done; }
sources() { for d in "${DISKS[@]}"; do uri "$d"; printf ' '; done; }
is_locked() { ! nbdinfo --size "$(uri vm1)" >"$work/locked.log" 2>&1 || ! nbdsh -u "$(uri vm1)" -c 'h.pread(512, 0)' 2>>"$work/locked.log"; }
for ((i = 0; i < rounds; i++)); do
    [ $i -gt 0 ] || start_sites
    load $(sources)
    wait_acked $((200 + RANDOM % 300))
    unplanned=$((i % 2))
    if [ $unplanned = 1 ]; then
        kill_source
        stop_ledger 4
    else
        stop_ledger
        replica failover vm1 --planned
        stop_source
    fi
    at_target replica failover db
    load $(heads)
    wait_acked 200
    start_source
    wait_state fenced
    is_locked || fail "two sites are written"
    # what was under way at the source when it died was acknowledged to nobody
    wait_until 60 eval '[ "$(status .kinship)" != same ]'
    replica failback vm1 --discard --no-wait
    for victim in $((i % 2)) $((RANDOM % 2)); do
        wait_acked $((RANDOM % 200))
        echo "round $i: killed: $victim of source, target"
        if [ "$victim" = 0 ]; then
            kill_source
            start_source
        else
            kill_target
            start_target
        fi
        is_locked || fail "a disk on its way is served"
    done
    wait_until 120 eval '[ "$(status .fetch_following)" = true ]'
    wait_acked 100
    stop_ledger
    wait_until 60 at_target no_client
    at_target replica failback db
    wait_in_step
    is_cut --acked "$work/disks/vm1" "$work/disks/vm2"
    target_is_cut --acked
done
load $(sources)
wait_acked 200
stop_ledger
wait_in_step
is_cut --acked "$work/disks/vm1" "$work/disks/vm2"
target_is_cut --acked
