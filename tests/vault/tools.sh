#!/bin/bash
# tools.sh - do QEMU's and libnbd's own tools find in a vault's disks what was written, and nothing else?
# SPDX-License-Identifier: BSD-3-Clause
#
# A source sends a disk of 16 MiB, of which most is a hole; what it is at two restore points is
# made beside it in files.  A disk at a point, one that is written on scratch, and the head of a
# site that was promoted are compared with these by all tools, byte by byte and extent by extent.
. "$WEIR_SOURCE/tests/vault/vault.sh"
requires nbdcopy nbdfuse fusermount3 nbdsh qemu-img jq
[ -w /dev/fuse ] || skip "needs /dev/fuse"

mkdir "$work/mnt"
start_vault vm1=db/vm1

size=$((16 << 20)) copies=0
# put FILE OFFSET LENGTH BYTE: into what a disk is to be
put() {
    head -c "$3" /dev/zero | tr '\0' "\\$(printf %03o "$4")" |
        dd of="$1" bs=64k iflag=fullblock oflag=seek_bytes seek="$2" conv=notrunc status=none
}
# copied COMMAND…: copies to the file that is its last word, which is to be what $expected is
copied() {
    copies=$((copies + 1))
    "$@" "$work/copy.$copies" || fail "$* fails"
    cmp "$work/copy.$copies" "$expected" || fail "$*: what was copied differs"
    rm "$work/copy.$copies"
}
# extents_are_right URI ZEROES: both maps cover the disk, what they call zero is, and that are so
# many bytes at least.
extents_are_right() {
    nbdinfo --map --json "$1" >"$work/nbdinfo.json"
    qemu-img map --output=json -f raw "$1" >"$work/qemu.json"
    python3 - "$expected" "$work/nbdinfo.json" "$work/qemu.json" "$2" <<'END' || fail "extents of $1"
import json, sys
disk = open(sys.argv[1], 'rb').read()
nbdinfo = [(e['offset'], e['length'], bool(e['type'] & 2)) for e in json.load(open(sys.argv[2]))]
qemu = [(e['start'], e['length'], e['zero']) for e in json.load(open(sys.argv[3]))]
for name, extents in ('nbdinfo', nbdinfo), ('qemu-img', qemu):
    at = 0
    for start, length, zero in extents:
        assert start == at and length > 0, f'{name}: {start} does not follow {at}'
        assert not zero or not any(disk[start:start + length]), f'{name}: data is called zero at {start}'
        at += length
    assert at == len(disk), f'{name}: ends at {at}'
    zeroes = sum(length for _, length, zero in extents if zero)
    assert zeroes >= int(sys.argv[4]), f'{name}: only {zeroes} bytes are called zero'
END
}
# mounted URI [OPTION…]: as the file $work/mnt/disk, by nbdfuse
mounted() {
    local uri=$1; shift
    spawn nbdfuse nbdfuse "$@" "$work/mnt/disk" "$uri"
    fuse_pid=$pid
    wait_until 60 test -s "$work/mnt/disk"
}
unmounted() {
    wait_until 60 fusermount3 -u "$work/mnt" # who has just closed the file may be in it still
    ended() { ! alive "$fuse_pid"; }
    wait_until 60 ended
}
cleanup_fn 'fusermount3 -u -z "$work/mnt" 2>/dev/null'
# is_shown EXPORT FILE [ZEROES]: by all of them
is_shown() {
    local disk; disk=$(uri "$1") expected=$2
    assert_eq "$(nbdinfo --size "$disk")" $size "size of $1"
    qemu-img compare -q -f raw -F raw "$disk" "$expected" || fail "qemu-img compare: $1 is not $2"
    copied qemu-img convert -f raw -O raw "$disk"
    copied nbdcopy --connections=8 --request-size=65536 "$disk"
    copied nbdcopy --connections=8 --no-extents "$disk" # what is a hole there is read here
    extents_are_right "$disk" "${3:-$((size / 2))}"
    qemu-img bench -q -f raw -c 64 -d 8 -s 4096 -S 262144 "$disk" >"$work/bench.log" || fail "$(cat "$work/bench.log")"
    mounted "$disk" -r --connections=8
    cmp "$work/mnt/disk" "$expected" || fail "nbdfuse: $1 is not $2"
    unmounted
}

echo "== a disk at its points"
truncate -s $size "$work/first"
put "$work/first" 0 1048576 1
put "$work/first" 262144 262144 0
put "$work/first" $((4 << 20)) 65536 2
cp --sparse=always "$work/first" "$work/second"
put "$work/second" $(((4 << 20) + 32768)) 4096 3
put "$work/second" 0 65536 0
put "$work/second" $((8 << 20)) 512 4
send disk:0:vm1:$size write:0:0:1048576:1 zero:0:262144:262144 write:0:$((4 << 20)):65536:2 mark:first send >/dev/null
send write:0:$(((4 << 20) + 32768)):4096:3 zero:0:0:65536 write:0:$((8 << 20)):512:4 mark:second send >/dev/null
is_shown vm1@rp:first "$work/first"
is_shown vm1@rp:second "$work/second"
is_shown vm1@latest "$work/second"
! qemu-img compare -q -f raw -F raw "$(uri vm1@rp:first)" "$(uri vm1@rp:second)" || fail "two points are the same"

echo "== what changed between two of them"
changes=$(uri vm1@rp:second,changes:rp:first)
changed=$(printf '%s\n' "0 65536" "4227072 4096" "8388608 512")
assert_eq "$(nbdinfo --map --json "$changes" | jq -r '.[] | select(.type != 1) | "\(.offset) \(.length)"')" "$changed" "what nbdinfo calls changed"
assert_eq "$(qemu-img map --output=json -f raw "$changes" | jq -r '.[] | select(.data or .zero) | "\(.start) \(.length)"')" "$changed" \
    "what qemu-img calls changed"
expected=$work/second
copied nbdcopy --connections=8 --no-extents "$changes" # all of it can be read
cp "$work/first" "$work/increment"
while read -r offset length; do
    nbdsh -u "$changes" -c "import sys; sys.stdout.buffer.write(h.pread($length, $offset))" |
        dd of="$work/increment" bs=64k iflag=fullblock oflag=seek_bytes seek="$offset" conv=notrunc status=none
done <<<"$changed"
cmp "$work/increment" "$work/second" || fail "the first point and what changed are not the second one"

# written EXPORT FILE: it is FILE, and then what all tools write to it, FILE too.  Zeroes that are
# written need not become holes.
written() {
    local disk; disk=$(uri "$1") expected=$2
    is_shown "$1" "$2"
    qemu-img bench -q -w --pattern=85 -f raw -c 16 -d 8 -o $((2 << 20)) -s 65536 -S 65536 "$disk" >"$work/bench.log" || fail "$(cat "$work/bench.log")"
    put "$2" $((2 << 20)) 1048576 85
    mounted "$disk" --connections=8
    put "$work/mnt/disk" $((12 << 20)) 12288 86
    sync "$work/mnt/disk"
    unmounted
    put "$2" $((12 << 20)) 12288 86
    is_shown "$1" "$2"
    put "$2" $((2 << 20)) 524288 0
    put "$2" $((6 << 20)) 131072 87
    qemu-img convert -n -f raw -O raw "$2" "$disk" || fail "qemu-img cannot write all of $1"
    is_shown "$1" "$2" 0
    put "$2" $((6 << 20)) 65536 88
    nbdcopy --connections=8 --flush "$2" "$disk" || fail "nbdcopy cannot write all of $1"
    is_shown "$1" "$2" 0
}
echo "== scratch"
cp --sparse=always "$work/first" "$work/scratch"
written vm1@rp:first+work "$work/scratch"
is_shown vm1@rp:first "$work/first"
is_shown vm1@rp:second "$work/second"

echo "== the head of a site that was promoted"
"$weirctl" replica failover db >"$work/failover" || fail "$(cat "$work/failover")"
cp --sparse=always "$work/second" "$work/head"
written vm1 "$work/head"
is_shown vm1@rp:first "$work/first"
is_shown vm1@rp:second "$work/second"
