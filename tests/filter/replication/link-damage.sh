#!/bin/bash
# link-damage.sh - is what a link without TLS damages never applied, and sent again?
# SPDX-License-Identifier: BSD-3-Clause
#
# link-damage.sh [SEED].  TCP's own checksum is 16 bits; the frames' digests are what counts.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
TLS='' TCP=1
seed=${1:-$RANDOM}
echo "seed $seed"
REPLICATION='connections = 4; frame = "64k"; ring = "8M";'

corrupted() { proxy status | jq -r .corrupted; }
has_damaged() { [ "$(corrupted)" -ge $((damaged + $1)) ]; }
# damage RATE LEAST: until ten more writes were damaged, with looks at the target meanwhile.
damage() {
    damaged=$(corrupted)
    proxy corrupt "$@"
    for n in 1 4 $(often 10); do
        wait_until 120 has_damaged $n
        target_is_cut
    done
    proxy clear
    wait_streaming
    target_is_cut
}

start_sites
start_ledger --seed "$seed" --pattern zipf --rate "$(often 1000)" --largest 16384 "$url"
wait_acked 300
before=$(numbers reconnects)
echo "== bits of frames"
damage 0.02 8192
echo "== bits of anything that is written, the source's commands as well"
damage 0.1 1
[ "$(numbers reconnects)" -gt "$before" ] || fail "the link was not made anew"
stop_ledger
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step
target_is_cut --acked
is_cut --acked "$work/disks/vm1"
assert_eq "$(target_status '.last_error')" "" "what the target says at the end"
