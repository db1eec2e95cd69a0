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

# what a plain disk cannot do is refused, in words, and the guest goes on
for word in verify handover; do
    ! verb replication $word >"$work/said" 2>&1 || fail "$word was taken: $(cat "$work/said")"
    grep -q "^E[A-Z]*: the target nbd[^ ]* is a plain disk, which" "$work/said" || fail "$word: $(cat "$work/said")"
    nbd 'h.pwrite(b"\x11" * 512, 0)'
done
assert_eq "$(statistic replication state)" streaming "after what was refused"
