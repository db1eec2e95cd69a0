#!/bin/bash
# upgraded.sh - does a resync go on, and come to its end, when the filter is upgraded while it is under way?
# SPDX-License-Identifier: BSD-3-Clause
#
# upgraded.sh [vault|plain [SEED]].  A guest writes all the time.
# shellcheck disable=SC2046  # a word for each disk
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=${1:-vault} seed=${2:-$RANDOM}
echo "seed $seed"
REPLICATION='mode = "async"; without_peer = "degrade";'
if [ "$TARGET_TYPE" = vault ]; then # a group, whose disks meet in one version of the filter
    DISKS=(vm1 vm2) GROUP=db
    REPLICATION="group = \"db\"; $REPLICATION"
fi

# The filter as a package, and the same in other bytes.
mkdir "$work/filters" "$work/came" "$work/again"
for f in "$WEIR_BUILD"/filters/weir-filter-*.so; do ln -s "$f" "$work/filters/"; done
export WEIR_FILTERS=$work/filters
for build in came again; do
    cp "$WEIR_BUILD/filters/weir-filter-replication.so" "$work/$build/"
    [ $build = came ] || echo again >>"$work/$build/weir-filter-replication.so"
    (cd "$work/$build" && "$weirctl" filter pack weir-filter-replication.so --vendor=us >/dev/null)
done
rm "$work/filters/weir-filter-replication.so"
"$weirctl" filter install "$work"/came/*.tar.zst >/dev/null

mkdir "$work/disks"
for d in "${DISKS[@]}"; do head -c 32M /dev/urandom >"$work/disks/$d"; done # what is sent has its size
start_sites
start_ledger --seed "$seed" --pattern zipf --rate 200 --largest 16384 --flush 0.1 $(for d in "${DISKS[@]}"; do uri "$d"; echo; done)
wait_acked 200

# all of both disks is sent again, slowly
slowly() { for d in "${DISKS[@]}"; do ctl set "exports/$d/filters/@replication/options/resync_bandwidth" "$1" >/dev/null; done; }
slowly 2M
"$weirctl" replica resync vm1 --all --no-wait >"$work/resync.log" 2>&1 || fail "$(cat "$work/resync.log")"
wait_state catching-up
goes_on() { [ "$(statistic replication resync_progress_percent)" -ge 4 ]; }
for ((n = 1; n <= 6; n++)); do
    wait_until 60 goes_on
    build=$([ $((n % 2)) = 1 ] && echo again || echo came)
    "$weirctl" --json filter upgrade "$work/$build"/*.tar.zst >"$work/upgrade.log" 2>&1 || fail "upgrade $n: $(cat "$work/upgrade.log")"
    jq -e ".exports | length == ${#DISKS[@]} and all(.paused_ns > 0)" "$work/upgrade.log" >/dev/null || fail "$(cat "$work/upgrade.log")"
    wait_acked 50
    wait_state catching-up # else it was over, and this test sees nothing
done

slowly max
wait_streaming 120
wait_acked 100
stop_ledger
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step 120
for d in "${DISKS[@]}"; do
    nbdcopy "$(uri "$d")" "$work/$d.source"
    nbdcopy "$(read_point "$d")" "$work/$d.target"
    cmp "$work/$d.source" "$work/$d.target" || fail "the target of $d differs"
done
