#!/bin/bash
# pace.sh - is a resync as slow as its policy says, whatever the guest does meanwhile?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
REPLICATION='mode = "async"; compression = "none";'
mkdir "$work/disks"
head -c 32M /dev/urandom >"$work/disks/vm1"
start_sites
start_ledger --seed 1 --pattern zipf --rate 300 --largest 4096 --flush 0.1 "$url"
wait_acked 100
option replication resync_bandwidth 1M
before=$(statistic replication copied_bytes) since=$EPOCHREALTIME
"$weirctl" replica resync vm1 --all --no-wait >"$work/resync.log" 2>&1 || fail "$(cat "$work/resync.log")"
wait_acked 1000 # each of which wakes whoever copies
copied=$(($(statistic replication copied_bytes) - before))
most=$((((${EPOCHREALTIME/./} - ${since/./}) * 1048576 / 1000000) + (2 << 20))) # two pieces may be ahead
echo "$copied bytes were copied, of $most at most"
((copied > 0 && copied <= most)) || fail "at 1M a second $copied bytes were copied, and may be $most"

# and another rate counts at once, not when a piece that was sent slowly has been paid for
option replication resync_bandwidth 8k
sleep 1.5
option replication resync_bandwidth max
stop_ledger
wait_in_step 120
