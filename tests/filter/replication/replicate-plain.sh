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
