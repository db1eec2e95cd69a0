#!/bin/bash
# sync.sh - does a sync disk wait for its target, or go on alone, as its policy says?
# SPDX-License-Identifier: BSD-3-Clause
#
# sync.sh [vault|plain [SEED]]
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=${1:-vault} seed=${2:-$RANDOM}
echo "seed $seed"
[ "$TARGET_TYPE" = vault ] || has_all() { :; }
[ "$TARGET_TYPE" = vault ] && has_all() { target_is_cut --acked; }
start_sites
wait_streaming
start_ledger --seed "$seed" --pattern zipf --rate "$(often 1000)" --largest 16384 --flush 0.1 "$url"
generation() { statistic replication generation; }
first=$(generation)
faults=(cut freeze)
[ "$(often 2)" = 2 ] || faults=(freeze)
stands_still() { local n; n=$(acked); sleep 0.5; [ "$(acked)" = "$n" ]; }

# suspend: nothing is acknowledged that the target lacks; reads go on
for mode in sync sync-durable; do
    option replication mode $mode
    for fault in "${faults[@]}"; do
        wait_streaming
        wait_acked 200
        proxy $fault
        wait_state suspended
        wait_until 60 stands_still
        n=$(acked)
        nbd 'h.pread(1 << 20, 0)'
        sleep 1
        assert_eq "$(acked)" "$n" "acknowledged without the target"
        has_all
        proxy heal
        wait_acked 200
    done
done
wait_streaming
assert_eq "$(generation)" "$first" "the generation of a disk that waited"

# degrade: it goes on, in a generation of its own, and the target catches up
option replication without_peer degrade
for mode in sync sync-durable; do
    option replication mode $mode
    for fault in "${faults[@]}"; do
        wait_streaming
        wait_acked 200
        [ "$TARGET_TYPE" != vault ] || target_is_cut
        before=$(generation)
        proxy $fault
        wait_state degraded
        wait_acked 500
        [ "$(generation)" != "$before" ] || fail "$fault: it went on alone in the generation of both"
        [ "$TARGET_TYPE" != vault ] || target_is_cut
        proxy heal
        wait_streaming
    done
done
[ "$(statistic replication degraded_seconds)" -ge 0 ]

# a peer that is away can be given up, and a disk that waits for it goes on
option replication without_peer suspend
proxy cut
wait_state suspended
wait_until 60 stands_still
option replication mode async
wait_acked 300
proxy heal
wait_streaming
stop_ledger
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step
target_is_cut --acked
is_cut --acked "$work/disks/vm1"
