#!/bin/bash
# ahead.sh - what does not fit into ring and spill file: does the target get it, and stay legal?
# SPDX-License-Identifier: BSD-3-Clause
#
# ahead.sh [vault|plain [ROUNDS [SEED]]]
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=${1:-vault} rounds=${2:-$(often 4)} seed=${3:-$RANDOM}
echo "seed $seed"
REPLICATION='ring = "8M"; frame = "256k"; compression = "none";'
SIZE=$(often 64)M
checks() { target_is_cut && target_is_cut; }
[ "$TARGET_TYPE" = vault ] || checks() { :; }
mapped() { statistic replication mapped; }
start_sites
wait_streaming
start_ledger --seed "$seed" --rate "$(often 300)" "$url" # no faster than a sanitized target can take

for ((i = 0; i < rounds; i++)); do
    wait_acked 100
    before=$(mapped)
    proxy cut
    wait_state ahead 120
    wait_acked 300
    checks # it stays where it was
    proxy heal
    checks # what it lacked comes as one
    wait_streaming 120
    checks
    [ "$(mapped)" -gt "$before" ] || fail "nothing was left to the map"
done

# a spill file takes what the ring does not
stop_ledger
wait_in_step
stop_source
REPLICATION='ring = "32M"; spill = "256M"; frame = "256k"; compression = "none";'
configure_source
start_source
wait_streaming
start_ledger --seed "$seed" --rate "$(often 300)" "$url"
before=$(mapped)
proxy cut
spills() { [ "$(statistic replication spill_bytes)" -gt 10000000 ]; }
wait_until 60 spills
stop_ledger # before the file is full, too, however long a check takes
checks
proxy heal
wait_streaming
empty() { [ "$(statistic replication spill_bytes)" = 0 ]; }
wait_until 60 empty
checks
assert_eq "$(mapped)" "$before" "bytes that were left to the map"
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step
target_is_cut --acked
