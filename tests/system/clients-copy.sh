#!/bin/bash
# clients-copy.sh - do libnbd's, nbdkit's and QEMU's clients find what they wrote, behind every chain?
# SPDX-License-Identifier: BSD-3-Clause
#
# clients-copy.sh [CHAIN…].  The same work through each chain, and from each to the next, leaves the same
# bytes: as clients see them, in the images of those that store them as they are, and in the copies.
. "$WEIR_SOURCE/tests/system/system.sh" || exit
. "$here/chains.sh"
PATH=/usr/bin:$PATH # the python of the distribution
requires nbdcopy nbdinfo nbdfuse nbddump nbdsh nbdkit qemu-img qemu-io fio jq fusermount3
[ -c /dev/fuse ] || skip "needs /dev/fuse"
[ $# = 0 ] || chains=("$@")
[ "$WEIR_SERVER" = weir ] || chains=(none)
mib=16 size=$((16 << 20))
for chain in "${chains[@]}"; do chain_disk "$chain" $size; done
serve_chains 64M

# Data, zeroes and holes in pieces whose ends are on no block.
image=$work/source
truncate -s ${mib}M "$image"
for at in 0 1000003 4999999 10485760; do
    head -c 1500001 /dev/urandom | dd of="$image" bs=64k seek=$at oflag=seek_bytes conv=notrunc status=none
done
dd if=/dev/zero of="$image" bs=1M seek=13 count=2 conv=notrunc status=none

same_as_source() { cmp "$image" "$1" || fail "$chain: $2"; }

copy() { # in and out by nbdcopy: 8 connections, its own threads and extents or none of them
    nbdcopy --connections=8 --flush "$image" "$1"
    nbdcopy --connections=8 "$1" "$work/out"
    same_as_source "$work/out" "nbdcopy brought back other bytes"
    nbdcopy --synchronous --no-extents "$1" "$work/out"
    same_as_source "$work/out" "nbdcopy --synchronous brought back other bytes"
    nbdcopy --connections=8 --requests=4 --request-size=65536 --threads=4 "$1" - | same_as_source - "nbdcopy to a pipe"
    nbdcopy "$1" null:
}

describe() {
    assert_eq $size "$(nbdinfo --size "$1")" "$chain: nbdinfo --size"
    nbdinfo --json "$1" | jq -e --argjson size $size '.exports[0] | ."export-size" == $size and
        (."is_read_only" | not) and ."can_multi_conn" and ."can_flush" and ."can_fua" and ."can_trim"
        and ."can_zero" and ."can_cache" and (.contexts | index("base:allocation"))' \
        >/dev/null || { nbdinfo "$1"; fail "$chain: nbdinfo does not see what the file store can"; }
    local what
    for what in connect structured-reply flush fua multi-conn trim zero cache write; do
        nbdinfo --can "$what" "$1" || fail "$chain: nbdinfo --can $what"
    done
    ! nbdinfo --is read-only "$1" || fail "$chain is read-only"
    nbdinfo --map --json "$1" | jq -e --argjson size $size \
        '(map(.length) | add) == $size and any(.type == 0) and '"$(is_opaque "$chain" && echo true || echo 'any(.type == 3)')" \
        >/dev/null || { nbdinfo --map "$1"; fail "$chain: the map is not holes and data that make the whole disk"; }
    # what it calls zeroes are zeroes
    nbdinfo --map --json "$1" | jq -r '.[] | select(.type >= 2) | "\(.offset) \(.length)"' |
        while read -r from length; do
            cmp -n "$length" -i "$from:0" "$image" /dev/zero || fail "$chain: what lies at $from are no zeroes"
        done
    nbddump -n 4096 "$1" | grep -q '^0000000000: ' || fail "$chain: nbddump"
}

# Through a file that is the disk, and through nbdkit's own client.
mounted() { [ "$(stat -c %s "$through" 2>/dev/null)" = $size ]; }
by_file() {
    through=$work/through
    : >"$through"
    spawn nbdfuse nbdfuse "$through" "$1"
    local nbdfuse_pid=$pid
    wait_until 60 mounted
    same_as_source "$through" "nbdfuse shows other bytes"
    # sectors: nbdfuse gives parts of one on as they are, and libnbd refuses them of a disk with a cache
    head -c 102400 /dev/urandom >"$work/piece"
    dd if="$work/piece" of="$through" bs=7680 seek=3000320 oflag=seek_bytes conv=notrunc,fsync status=none
    fusermount3 -u "$through"
    wait_until 60 gone "$nbdfuse_pid"
    nbdsh -u "$1" -c "data = open('$work/piece', 'rb').read()" -c '
assert h.pread(len(data), 3000320) == data, "what was written by nbdfuse is not there"
assert h.can_fua() and h.can_multi_conn() and h.is_read_only() is False' || fail "$chain: nbdfuse, nbdsh"
}
gone() { ! alive "$1"; }
by_nbdkit() {
    rm -f "$work/front.sock"
    spawn front nbdkit -f -U "$work/front.sock" nbd uri="$1" shared=true
    local front_pid=$pid front="nbd+unix:///?socket=$work/front.sock"
    wait_until 60 listens "$work/front.sock"
    assert_eq $size "$(nbdinfo --size "$front")" "$chain: the size by nbdkit nbd"
    nbdcopy --connections=8 --flush "$image" "$front"
    nbdcopy --connections=8 "$front" "$work/out"
    same_as_source "$work/out" "nbdkit nbd brought back other bytes"
    assert_eq "$(nbdinfo --map --json "$1" | jq -c 'map([.offset, .type])')" \
        "$(nbdinfo --map --json "$front" | jq -c 'map([.offset, .type])')" "$chain: the map by nbdkit nbd"
    stop_pid "$front_pid"
}

convert() {
    assert_eq $size "$(qemu-img info --output=json -f raw "$1" | jq '."virtual-size"')" "$chain: qemu-img info"
    qemu-img convert -n -f raw -O raw "$image" "$1"
    qemu-img compare -q -f raw -F raw "$image" "$1"
    qemu-img convert -f raw -O qcow2 "$1" "$work/out.qcow2"
    qemu-img compare -q -f qcow2 -F raw "$work/out.qcow2" "$image"
    qemu-img map --output=json -f raw "$1" | jq -e --argjson size $size \
        '(map(.length) | add) == $size and any(.data)' >/dev/null || fail "$chain: qemu-img map"
    qemu-img bench -q -f raw -t none -c 256 -d 16 -s 65536 -S 69632 "$1" >"$work/qemu-img.log" || fail "$chain: qemu-img bench"
    qemu-img bench -q -f raw -t none -w --pattern 0 --flush-interval 64 -c 256 -d 16 -o 12M -s 4096 "$1" >"$work/qemu-img.log" ||
        fail "$chain: qemu-img bench -w"
}

patterns() { # each line fails by itself when bytes read differ
    qemu-io -f raw "$1" -c 'write -P 0x11 1M 1M' -c 'write -P 0x22 1536k 512' -c 'write -f -P 0x33 100003 7' \
        -c 'read -P 0x11 1M 512k' -c 'read -P 0x22 1536k 512' -c 'read -P 0x33 100003 7' \
        -c 'discard 1M 64k' -c 'write -z 1280k 64k' -c 'read -P 0 1280k 64k' -c 'write -zu 1344k 64k' \
        -c 'read -P 0 1344k 64k' -c 'aio_write -P 0x44 4M 256k' -c 'aio_write -P 0x55 5M 256k' -c 'aio_flush' \
        -c 'read -P 0x44 4M 256k' -c 'read -P 0x55 5M 256k' -c 'flush' >"$work/qemu-io.log" 2>&1 ||
        fail "$chain: qemu-io"
    ! grep -E 'Pattern verification failed|failed:' "$work/qemu-io.log" || fail "$chain: qemu-io read other bytes"
}

load() {
    fio --name=load --ioengine=nbd --uri="$1" --rw=randrw --bsrange=512-128k --blockalign=512 --size=${mib}m \
        --io_size=8m --iodepth=16 --randseed=2 --verify=crc32c --verify_fatal=1 --fsync=50 \
        >"$work/fio.log" 2>&1 || fail "$chain: fio --verify"
}

for chain in "${chains[@]}"; do
    at=$(uri "$chain")
    copy "$at"
    describe "$at"
    by_file "$at"
    by_nbdkit "$at"
    convert "$at"
    patterns "$at"
    load "$at"
done
nbdinfo --list --json "$(uri)" | jq -e --arg names "${chains[*]}" \
    '[.exports[] | ."export-name"] | sort == ($names | split(" ") | sort)' >/dev/null || fail "nbdinfo --list"

# What nobody has a say in differs by the moment of fio's headers: the last word is a copy
# from export to export, through all chains.
nbdcopy --connections=8 "$image" "$(uri "${chains[0]}")"
before=${chains[0]}
for chain in "${chains[@]:1}"; do
    nbdcopy --connections=8 --flush "$(uri "$before")" "$(uri "$chain")"
    qemu-img compare -q -f raw -F raw "$(uri "$before")" "$(uri "$chain")" || fail "$chain is not what $before is"
    before=$chain
done
nbdcopy --connections=8 "$(uri "$before")" "$work/out"
same_as_source "$work/out" "at the end there are other bytes"
for chain in "${chains[@]}"; do settle_chain "$chain"; done
stop_gateway
for chain in "${chains[@]}"; do
    [ ! -e "$copies/$chain" ] || cmp "$disks/$chain" "$copies/$chain" || fail "the copy of $chain differs"
    if is_encrypted "$chain"; then
        ! cmp -s -n 1000000 -i $header:0 "$disks/$chain" "$image" || fail "$chain is stored in plain text"
    else
        same_as_source "$disks/$chain" "the image differs"
    fi
done
