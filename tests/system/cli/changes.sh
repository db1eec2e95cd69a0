#!/usr/bin/env bash
# changes.sh - are the changes of a disk listed, and does stock qemu-nbd show them as a bitmap?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
replica=$work/replica map=00112233445566778899aabbccddeeff
fake main --exports=vm1,vm3 --idle --replicated=vm1 --replica="$replica"

# ---- a checkpoint, what changed since, both; for people and programs
expect 0 changes vm1 --checkpoint
assert_eq "$out" "$map:8"
expect 0 changes vm1 --since=$map:8
assert_eq "$out" "\
0 65536
131072 196608"
expect 0 changes vm1 --since=$map:8 --checkpoint
assert_eq "$out" "\
$map:9
0 65536
131072 196608"
expect 0 --json changes vm1 --since=$map:8 --checkpoint
json "d == {'gateway': 'main', 'export': 'vm1', 'checkpoint': '$map:10', 'since': '$map:8',
    'size_bytes': 1 << 30, 'granule_bytes': 65536, 'changed_bytes': 262144,
    'extents': [{'offset': 0, 'length': 65536}, {'offset': 131072, 'length': 196608}]}"
expect 0 --json changes vm1 --checkpoint
json "d == {'gateway': 'main', 'export': 'vm1', 'checkpoint': '$map:11'}"

# ---- what is refused: another map, nothing asked for, a disk without a map, an answer in other words
expect 3 changes vm1 --since=ff:1
complains 'ff:1 is a checkpoint of another map'
expect 2 changes vm1
complains 'since when? --since=ID names a checkpoint, and --checkpoint makes one'
expect 2 changes vm1 --checkpoint --qcow2="$work/x"
complains '--qcow2 needs --since=ID'
expect 3 changes vm3 --checkpoint
complains 'has no filter of class replication'
for lines in '[["x", 1]]' '[[0, 0]]' '[[0, "1 2"]]'; do
    echo "{\"source\": {\"changes\": $lines}}" >"$replica"
    expect 1 changes vm1 --since=$map:8
    complains 'the changes of "vm1" cannot be read'
done
rm "$replica"

# ---- a file that has them as a bitmap
requires qemu-nbd qemu-img nbdinfo nbdkit truncate
# gateway_of SIZE CHANGES: a disk of that size, which an nbdkit serves in the gateway's place
gateway_of() {
    echo "{\"source\": {\"changes\": $2}}" >"$replica"
    truncate -s "$1" "$work/disk"
    printf 'weir' | dd of="$work/disk" bs=1 seek=131072 conv=notrunc status=none
    WEIR_RUN=$work/run-$1
    spawn "nbd-$1" nbdkit -f -r -U "$work/$1.sock" file "$work/disk"
    wait_until 60 listens "$work/$1.sock"
    fake "disk$1" --exports=vm1 --idle --replicated=vm1 --replica="$replica" \
        --size="$1" --uri="nbd+unix:///NAME?socket=$work/$1.sock"
}
# bitmap FILE: the dirty ranges that qemu-nbd shows, "OFFSET LENGTH" a line
bitmap() {
    local name="weir-since-$map:8"
    spawn qemu-nbd qemu-nbd -r -t -f qcow2 -B "$name" -k "$work/shim.sock" "$1"
    wait_until 60 listens "$work/shim.sock"
    nbdinfo --map="qemu:dirty-bitmap:$name" "nbd+unix:///?socket=$work/shim.sock" >"$work/map"
    nbdcopy "nbd+unix:///?socket=$work/shim.sock" - | cmp - "$work/disk" || fail "it reads otherwise"
    stop_pid "$pid"
    rm -f "$work/shim.sock"
    awk '$3 == 1 { print $1, $2 }' "$work/map"
}
size=$((3 * 1024 * 1024 * 1024 / 2 + 512)) # no multiple of anything, and three clusters of L1
gateway_of $size '[[0, 65536], [131072, 196608], [1610612736, 512]]'
expect 0 changes vm1 --since=$map:8 --qcow2="$work/shim"
says "256 KiB of 1.5 GiB changed; qemu-nbd -r -f qcow2 -B weir-since-$map:8 $work/shim shows where"
qemu-img check -q -f qcow2 "$work/shim" || fail "qemu-img check: $(qemu-img check "$work/shim" 2>&1)"
assert_eq "$(bitmap "$work/shim")" "\
0 65536
131072 196608
1610612736 512"
expect 4 changes vm1 --since=$map:8 --qcow2="$work/shim"
complains "--qcow2=$work/shim: File exists, and is not overwritten"
expect 3 changes vm1 --since=$map:8 --qcow2="$work/nowhere/shim"
complains "No such file or directory"
expect 0 --json changes vm1 --since=$map:8 --qcow2="$work/shim2"
json "d['qcow2'] == '$work/shim2' and d['bitmap'] == 'weir-since-$map:8' and len(d['extents']) == 3"

# ---- clusters of the bitmap that are all zeroes, all ones and neither: 32 GiB of disk each
gateway_of $((1 << 37)) '[[65536, 65536], [34359738368, 34359738368], [103079149568, 131072]]'
expect 0 changes vm1 --since=$map:8 --qcow2="$work/large"
qemu-img check -q -f qcow2 "$work/large" || fail "qemu-img check: $(qemu-img check "$work/large" 2>&1)"
assert_eq "$(stat -c %s "$work/large")" $((9 * 65536)) "size of a file with three clusters of bitmap"
nbdcopy() { :; } # 128 GiB: not to be compared
cmp() { cat >/dev/null; }
assert_eq "$(bitmap "$work/large")" "\
65536 65536
34359738368 34359738368
103079149568 131072"
