#!/bin/bash
# model.sh - is each byte what was last written there, by requests of any size on 8 connections?
# SPDX-License-Identifier: BSD-3-Clause
#
# Each connection has every eighth strip of 1003 bytes, so that all of them write into the same
# sectors.  Then kill -9, and again.
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
seed=${WEIR_SEED:-$(date +%N)}
echo "WEIR_SEED=$seed"

for sector in 512 4096; do
    no_disk
    serve "$(formatted "sector_size = \"$sector\";")"
    python3 "$here/model.py" "$url" "$((10#$seed))" write "$work/model"
    [ "$(statistic encryption partial_sector_writes)" -gt 100 ] || fail "no partial writes were counted"
    kill_server
    serve "$(encrypted)"
    python3 "$here/model.py" "$url" "$((10#$seed))" read "$work/model"
    stop_gateway
done
