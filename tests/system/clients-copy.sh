#!/bin/bash
# clients-copy.sh - do nbdcopy, nbdinfo, qemu-img, qemu-io and fio find what they wrote?
# SPDX-License-Identifier: BSD-3-Clause
#
# The same work through chains of 0, 1 and 5 filters leaves byte-identical images.
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdcopy nbdinfo qemu-img qemu-io fio jq
mib=48
policy one '{ filter = "pass"; }'
policy five '{ filter = "pass"; }, { filter = "fault"; rate = 0.0; }, { filter = "pass"; },
             { filter = "inspection"; ring = 64; }, { filter = "pass"; }'
disk chain0 ${mib}M
disk chain1 ${mib}M one
disk chain5 ${mib}M five
serve

# Data, zeroes and holes in pieces whose ends are on no block.
image=$work/source
truncate -s ${mib}M "$image"
for at in 0 1000003 9999999 20971520; do
    head -c 1500001 /dev/urandom | dd of="$image" bs=64k seek=$at oflag=seek_bytes conv=notrunc status=none
done
dd if=/dev/zero of="$image" bs=1M seek=30 count=4 conv=notrunc status=none

same_as_source() { cmp "$image" "$1" || fail "$2"; }

copy() { # in and out by nbdcopy, with and without its own threads and extents
    nbdcopy --flush "$image" "$1"
    nbdcopy "$1" "$work/out"
    same_as_source "$work/out" "nbdcopy brought back other bytes"
    nbdcopy --synchronous --no-extents "$1" "$work/out"
    same_as_source "$work/out" "nbdcopy --synchronous brought back other bytes"
    nbdcopy "$1" null:
}

describe() {
    nbdinfo --json "$1" | jq -e --argjson size $((mib << 20)) '.exports[0] | ."export-size" == $size and
        (."is_read_only" | not) and ."can_multi_conn" and ."can_flush" and ."can_fua" and ."can_trim"
        and ."can_zero" and ."can_cache" and (.contexts | index("base:allocation"))' \
        >/dev/null || { nbdinfo "$1"; fail "nbdinfo does not see what the file store can"; }
    nbdinfo --map --json "$1" | jq -e --argjson size $((mib << 20)) \
        '(map(.length) | add) == $size and any(.type == 3) and any(.type == 0)' >/dev/null ||
        { nbdinfo --map "$1"; fail "the map is not holes and data that make the whole disk"; }
}

convert() {
    qemu-img convert -n -f raw -O raw "$image" "$1"
    qemu-img compare -q -f raw -F raw "$image" "$1"
    qemu-img convert -f raw -O qcow2 "$1" "$work/out.qcow2"
    qemu-img compare -q -f qcow2 -F raw "$work/out.qcow2" "$image"
    qemu-img map --output=json -f raw "$1" | jq -e --argjson size $((mib << 20)) \
        '(map(.length) | add) == $size and any(.data | not)' >/dev/null || fail "qemu-img map"
}

patterns() { # each line fails by itself when bytes read differ
    qemu-io -f raw "$1" -c 'write -P 0x11 1M 1M' -c 'write -P 0x22 1536k 512' -c 'write -f -P 0x33 100003 7' \
        -c 'read -P 0x11 1M 512k' -c 'read -P 0x22 1536k 512' -c 'read -P 0x33 100003 7' \
        -c 'discard 1M 64k' -c 'write -z 1280k 64k' -c 'read -P 0 1280k 64k' -c 'write -zu 1344k 64k' \
        -c 'read -P 0 1344k 64k' -c 'aio_write -P 0x44 4M 256k' -c 'aio_write -P 0x55 5M 256k' -c 'aio_flush' \
        -c 'read -P 0x44 4M 256k' -c 'read -P 0x55 5M 256k' -c 'flush' >"$work/qemu-io.log" 2>&1 ||
        fail "qemu-io"
    ! grep -E 'Pattern verification failed|failed:' "$work/qemu-io.log" || fail "qemu-io read other bytes"
}

load() {
    fio --name=load --ioengine=nbd --uri="$1" --rw=randrw --bsrange=512-128k --blockalign=512 --size=${mib}m \
        --io_size=32m --iodepth=16 --randseed=2 --verify=crc32c --verify_fatal=1 --fsync=50 \
        >"$work/fio.log" 2>&1 || fail "fio --verify"
}

for chain in 0 1 5; do
    at=$(uri chain$chain)
    copy "$at"
    describe "$at"
    convert "$at"
    patterns "$at"
    load "$at"
done
# What nobody has a say in differs by the moment of fio's headers: the last word is a copy
# from export to export, through all three chains.
nbdcopy "$image" "$(uri chain0)"
nbdcopy "$(uri chain0)" "$(uri chain1)"
nbdcopy --destination-is-zero=no "$(uri chain1)" "$(uri chain5)" 2>/dev/null || nbdcopy "$(uri chain1)" "$(uri chain5)"
stop_gateway
for chain in 0 1 5; do same_as_source "$disks/chain$chain" "the image behind $chain filters differs"; done
