#!/bin/bash
# extents.sh - is a hole of the store that is dirty in the pool data, and what do trim and zero leave?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h";')"
# map: the disk's extents, as "offset length type", 0: data, 3: hole that reads zero; neighbours of one type as one
map() {
    nbdsh --base-allocation -u "$url" -c '
told, at = [], 0
def extent(context, offset, entries, error):
    global at
    for length, flags in zip(entries[::2], entries[1::2]):
        if told and told[-1][2] == flags and told[-1][0] + told[-1][1] == at:
            told[-1][1] += length
        else:
            told.append([at, length, flags])
        at += length
while at < h.get_size():
    h.block_status(h.get_size() - at, at, extent)
print(";".join(f"{o >> 10} {n >> 10} {f}" for o, n, f in told))'
}
assert_map() { assert_eq "$(map)" "$1" "$2"; }
assert_map "0 32768 3" "an empty disk"
nbd 'h.pwrite(b"x" * 65536, 1 << 20); h.pwrite(b"y" * 512, (2 << 20) + 1024)'
wanted="0 1024 3;1024 64 0;1088 960 3;2048 4 0;2052 30716 3"
assert_map "$wanted" "with dirty blocks"
[ "$(stat -c %b "$disk")" = 0 ] || fail "the store has something already"
drain
assert_map "$wanted" "when they are in the store"
# a copy that skips holes has all
nbdcopy "$url" "$work/copy"
cmp "$work/copy" "$disk" || fail "nbdcopy's copy"

verb cache fill >/dev/null
# zeroes: short ones are dirty, as data; long ones go to the store; both read as zeroes, of old and new data
nbd '
h.pwrite(b"a" * (4 << 20), 8 << 20); h.flush()
h.pwrite(b"b" * 4096, 9 << 20)
h.zero(65536, 9 << 20)
h.pwrite(b"c" * 4096, 10 << 20)
h.zero((1 << 20) + 4096, (10 << 20) - 4096)
h.trim(65536, 11 << 20)
h.pwrite(b"d" * 512, (11 << 20) + 65536)
h.trim(1024, (11 << 20) + 65536)
def look():
    got = h.pread(4 << 20, 8 << 20)
    want = bytearray(b"a" * (4 << 20))
    want[1 << 20:(1 << 20) + 65536] = bytes(65536)
    want[(2 << 20) - 4096:3 << 20] = bytes((1 << 20) + 4096)
    assert got[:3 << 20] == want[:3 << 20], "zeroes"
    assert got[(3 << 20) + 65536 + 1024:] == want[(3 << 20) + 65536 + 1024:], "behind the trim"
    for part in got[3 << 20:(3 << 20) + 65536], got[(3 << 20) + 65536:(3 << 20) + 65536 + 1024]:
        assert part in (bytes(len(part)), b"a" * len(part), b"d" * 512 + b"a" * 512), "trim"
    return got
got = look()
h.flush()
open("'"$work"'/seen", "wb").write(got)
'
drain
dd if="$disk" bs=1M skip=8 count=4 status=none | cmp - "$work/seen" || fail "the store has other bytes than were read"
stop_gateway
serve_again
nbd "expect(h.pread(4 << 20, 8 << 20), open('$work/seen', 'rb').read())"
# in order, a trim is let go: what was written stays, and is said to be ignored
option cache order ordered
nbd 'h.pwrite(b"t" * 4096, 20 << 20); h.trim(4096, 20 << 20); expect(h.pread(4096, 20 << 20), b"t" * 4096)'
assert_statistic cache trims_ignored 1
