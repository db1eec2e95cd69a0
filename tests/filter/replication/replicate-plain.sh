#!/bin/bash
# replicate-plain.sh - does an ordinary disk at the other site become what the source is?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TARGET_TYPE=plain
seed=${1:-$RANDOM}
echo "seed $seed"
start_sites
wait_streaming

for mode in async sync sync-durable; do
    option replication mode $mode
    start_ledger --seed "$seed" --pattern overlap "$url"
    wait_acked 1000
    stop_ledger
    wait_in_step
    target_is_cut --acked
    is_cut --acked "$work/disks/vm1"
done

# what is different there is found, whoever wrote it, and is as here again
verify() { "$weirctl" replica verify vm1 >"$work/said" 2>&1; }
verify || fail "both are alike, and yet: $(cat "$work/said")"
grep -q " 0 granules of 64 KiB differed" "$work/said" || fail "$(cat "$work/said")"
for at in 5 20; do
    head -c 4096 /dev/urandom | dd of="$work/target/disks/vm1" bs=1M seek=$at conv=notrunc status=none
done
! verify || fail "both differ, and yet: $(cat "$work/said")"
grep -q " 2 granules of 64 KiB differed" "$work/said" || fail "$(cat "$work/said")"
wait_in_step
cmp "$work/target/disks/vm1" "$work/disks/vm1" || fail "what differed is not mended"

# what a plain disk cannot do is refused, in words, and the guest goes on
! verb replication handover >"$work/said" 2>&1 || fail "handover was taken: $(cat "$work/said")"
grep -q "^E[A-Z]*: the target nbd[^ ]* is a plain disk, which" "$work/said" || fail "$(cat "$work/said")"
nbd 'h.pwrite(b"\x11" * 512, 0)'
assert_eq "$(statistic replication state)" streaming "after what was refused"
