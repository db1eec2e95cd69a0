#!/bin/bash
# link-faults.sh - is the target a legal cut whatever the network does, and does it come back?
# SPDX-License-Identifier: BSD-3-Clause
#
# link-faults.sh [vault|plain [unix|tcp [SEED]]].  A plain target is one only when nothing is under way.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=${1:-vault}
[ "${2:-unix}" = unix ] || { TCP=1; : "${WEIR_SHORT:=1}"; } # it does the same
seed=${3:-$RANDOM}
echo "seed $seed"
REPLICATION='connections = 4; frame = "64k"; ring = "8M";'
checks() { for _ in $(seq "$(often 2)"); do target_is_cut; sleep 0.0$((RANDOM % 10)); done; }
[ "$TARGET_TYPE" = vault ] || checks() { :; }

# The ledger writes all the time; no guest of an async disk sees any of it.
faults() {
    wait_streaming
    checks
    proxy delay both 2 30 # frames overtake each other
    wait_acked 300
    checks
    proxy clear
    wait_streaming
    places=(70000 0 1000001 131)
    for bytes in "${places[@]:0:$(often 4)}"; do
        proxy reset-after $bytes
        wait_acked 200
        checks
    done
    wait_streaming
    proxy cut
    wait_until 60 is_not_state streaming
    wait_acked 1500 # the ring overflows
    checks
    proxy heal
    checks
    wait_streaming
    proxy freeze
    wait_until 60 is_not_state streaming
    wait_acked 300
    proxy heal
    checks
    wait_streaming
    proxy rate up 1000000 # slower than the ledger
    wait_acked 1500
    checks
    proxy clear
    wait_streaming
    checks
}

start_sites
start_ledger --seed "$seed" --pattern zipf --rate 400 --largest 16384 "$url"
faults
stop_ledger
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step
target_is_cut --acked
is_cut --acked "$work/disks/vm1"
