#!/bin/bash
# kills.sh - what is left of both sites, when one or both are killed under load?
# SPDX-License-Identifier: BSD-3-Clause
#
# kills.sh [vault|plain [ROUNDS [SEED]]]
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=${1:-vault} rounds=${2:-$(often 9)}
seed=${3:-$RANDOM}
echo "seed $seed"
modes=(async sync sync-durable) who=(source target both)
REPLICATION='connections = 2; frame = "256k"; ring = "8M"; without_peer = "suspend";'

# A vault is a legal cut at any time; a plain disk when nothing is under way.  A write that waits for
# the target was not acknowledged.
check_now() {
    local demand=()
    [ "$TARGET_TYPE" = vault ] || return 0
    [ "$mode" = async ] || demand=(--acked)
    target_is_cut ${demand[@]+"${demand[@]}"}
}

start_sites
wait_streaming
start_ledger --seed "$seed" --pattern overlap --rate 1500 --largest 32768 --reconnect 120 --server-dies "$url"
for ((i = 0; i < rounds; i++)); do
    mode=${modes[i % 3]} victim=${who[(i + i / 3) % 3]}
    option replication mode $mode
    wait_acked $((100 + RANDOM % 400))
    echo "round $i: $mode, killed: $victim"
    [ "$victim" = target ] || kill_source
    [ "$victim" = source ] || kill_target
    # what is here is all that was acknowledged, and in part what was not
    [ "$victim" = target ] || is_cut --acked --torn "$work/disks/vm1"
    [ "$victim" = source ] || start_target
    [ "$victim" != source ] || check_now # it is failed over to, with nothing of the source's
    [ "$victim" = target ] || start_source
    wait_streaming 120
    [ "$TARGET_TYPE" != vault ] || target_is_cut # what was not for good may have to be sent again
done
wait_acked 200
stop_ledger
grep -q "refused 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step
target_is_cut --acked
is_cut --acked "$work/disks/vm1"
