#!/bin/bash
# ours.sh - does a filter of ours pass the conformance kit?
# SPDX-License-Identifier: BSD-3-Clause
#
#     ours.sh FILTER[-MODE]
. "$WEIR_SOURCE/tests/lib.sh"
filter=$1 words=()
case $filter in
cache-write-back) filter=cache words=(--pool "p=pool,64M" --option pool=p --option mode=write-back) ;;
cache) words=(--pool "p=pool,64M" --option pool=p) ;;
encryption)
    (umask 077 && printf "a passphrase" >"$work/key")
    words=(--option "key=file:$work/key" --option format=true --option pbkdf=pbkdf2 --option pbkdf_time=1ms)
    ;;
fault) words=(--except "options=it breaks disks, and crashes gateways, on purpose") ;;
replication)
    requires nbdkit
    spawn far nbdkit -f -U "$work/far.sock" memory 64M
    wait_until 60 test -S "$work/far.sock"
    words=(--option "target=nbd+unix:///disk?socket=$work/far.sock" --option target_type=plain)
    ;;
esac
certify=$WEIR_BUILD/gateway/certify/weir-certify
seed=${WEIR_SEED:-$RANDOM}
# with WEIR_SHORT=1 only what each check does at least
seconds=0.1
[ "${WEIR_SHORT:-0}" = 0 ] || seconds=0
"$certify" --seconds "${WEIR_CERTIFY_SECONDS:-$seconds}" --seed "$seed" --html "$work/report.html" "${words[@]}" \
    "$WEIR_BUILD/filters/weir-filter-$filter.so"
grep -q "<h1>$filter: .* 0 failed" "$work/report.html" || fail "the page says something else"
