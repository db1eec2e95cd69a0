#!/bin/bash
# hour.sh - is each second of an hour a disk again, whatever is written to others?
# SPDX-License-Identifier: BSD-3-Clause
#
# hour.sh [COUNT [SEED]]: so many of its 3,600 seconds are opened, 0: all.  What they hold follows
# from a number (hour.c), and each block of each of them is looked at.
. "$WEIR_SOURCE/tests/vault/vault.sh"
count=${1:-60} seed=${2:-$RANDOM}
echo "seed $seed"; RANDOM=$seed

start_vault vm1=db/vm1 vm2=db/vm2
vault() { "$WEIR_BUILD/tests/vault/vault-hour" "$sock" "$@" || fail "vault-hour $*"; }
at() { date -u -d "@$((1795000000 + $1))" +%Y-%m-%dT%H:%M:%SZ; } # a second, as weirctl writes it

echo "== an hour is sent"
vault feed
wait_until 60 is_applied
assert_eq "$(value restore_points) $(value oldest_point)" "3601 $(at 0)"

echo "== any of its seconds opens, and is what it was"
vault points "$count" "$seed"
vault is latest 3600
vault is "$(at 0)" 0

echo "== what is written to one stays there"
s=$((1 + RANDOM % 3599))
scratch=$(at $s)+test
vault scratch "$scratch" $s "$seed"
not_touched() {
    vault is "$(at $s)" $s
    vault is "$(at $((s - 1)))" $((s - 1))
    vault is "$(at $((s + 1)))" $((s + 1))
    vault is "$(at 0)" 0
    vault is latest 3600
}
not_touched
vault written "$scratch"
vault is "$(at $s)+another" $s
for disk in vm1 vm2; do "$weirctl" export close "$disk@$scratch" >/dev/null; done
vault is "$scratch" $s
not_touched

echo "== nor does a kill change any of it"
kill_server
start_gateway "$work/weir.conf"
vault is "$scratch" $s
not_touched
vault points $((count / 4 + 1)) "$seed"
