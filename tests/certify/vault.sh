#!/bin/bash
# vault.sh - does replication pass the conformance kit when its target is a vault?
# SPDX-License-Identifier: BSD-3-Clause
#
# A vault takes a group from one source, and each check has a new disk, and state: so each has a
# group of its own there, and a run of its own.
. "$WEIR_SOURCE/tests/lib.sh"
requires nbdkit nbdinfo
certify=$WEIR_BUILD/gateway/certify/weir-certify
seed=${WEIR_SEED:-$RANDOM} seconds=0.1
[ "${WEIR_SHORT:-0}" = 0 ] || seconds=0
echo "WEIR_SEED=$seed"
mapfile -t checks < <("$certify" --list | awk '$1 !~ /^(ranges|overhead)$/ { print $1 }')

{
    echo "datastores = ( { name = \"dr\"; type = \"vault\"; path = \"$work/vault\"; history = \"1h\"; } );"
    echo 'exports = ('
    comma=
    for check in "${checks[@]}"; do
        printf '%s { name = "log:%s"; datastore = "dr"; image = "log:%s"; }' "$comma" "$check" "$check"
        comma=,
    done
    echo ');'
} >"$work/weir.conf"
mkdir "$work/vault"
start_gateway "$work/weir.conf"
received_lsn() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" get "exports/log:$1/store/stats/received_lsn"; }

sum=0
for check in "${checks[@]}"; do
    except=(--except "load=its group is of another disk")
    [ "$check" != load ] || except=()
    "$certify" --check "$check" "${except[@]}" --seconds "$seconds" --seed "$seed" \
        --option "target=nbd+unix:///$check?socket=$sock" --option reconnect_delay=100ms \
        "$WEIR_BUILD/filters/weir-filter-replication.so" >"$work/said" || fail "$(cat "$work/said")"
    lsn=$(received_lsn "$check")
    sum=$((sum + lsn))
    printf '%s; received LSN %s\n' "$(grep -E "^(passed|not applicable)  *$check" "$work/said")" "$lsn"
done
# a check may be over before its disk has met the target, but not all of them
[ $sum -gt 0 ] || fail "the vault has received nothing"
