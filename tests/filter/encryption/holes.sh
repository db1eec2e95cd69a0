#!/bin/bash
# holes.sh - are trims left undone or passed, holes never said to be zero, zeroes stored, and does the disk grow?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
used() { stat -c %b "$disk"; }
serve "$(formatted)"

# ---- extents: of the payload, and no hole reads as zero
nbd 'h.pwrite(block * 16, 1 << 20); h.flush()'
nbdinfo --map "$url" >"$work/map"
awk '{ at += $2; if ($3 == 2 || $3 == 3) zero = 1 } END { exit at != 8388608 || zero }' "$work/map" ||
    fail "extents: $(cat "$work/map")"
awk '$1 == 1048576 && $3 == 0' "$work/map" | grep -q . || fail "the data are not where they are: $(cat "$work/map")"
awk '$3 == 1' "$work/map" | grep -q . || fail "there are no holes: $(cat "$work/map")"

# ---- zeroes are stored, encrypted; a fast zero is refused
nbd '
h.zero(100000, (1 << 20) + 50)
expect(h.pread(65536, 1 << 20), b"\x11" * 50 + bytes(65486))
expect(error(h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO), "ENOTSUP")
'

# ---- trims: not offered, then passed, whole sectors only
nbd 'expect(h.can_trim(), False)'
stop_gateway
serve "$(encrypted 'discard = "pass";')"
before=$(used)
nbd '
h.pwrite(block * 256, 4 << 20)
h.flush()
'
[ "$(used)" -gt "$before" ] || fail "nothing was stored"
full=$(used)
nbd '
expect(h.can_trim(), True)
h.trim((1 << 20) - 200, (4 << 20) + 100)
expect(h.pread(4096, 4 << 20), block)
expect(h.pread(4096, (5 << 20) - 4096), block)
h.trim(100, (4 << 20) + 5)
expect(h.pread(4096, 4 << 20), block)
'
[ "$(used)" -lt "$full" ] || fail "a trim gave nothing back"
option encryption discard ignore
nbd '
h.pwrite(block, 2 << 20)
h.trim(4096, 2 << 20, nbd.CMD_FLAG_FUA)
expect(h.pread(4096, 2 << 20), block)
'

# ---- it grows, and what was there stays
"$weirctl" export grow vm1 12M
assert_eq "$(nbdinfo --size "$url")" $((12 << 20)) "the size after growing"
assert_eq "$(stat -c %s "$disk")" $((28 << 20)) "the image after growing"
nbd '
expect(h.pread(4096, 2 << 20), block)
h.pwrite(block, (12 << 20) - 4096)
h.flush()
'
stop_gateway
SIZE=28M
serve "$(encrypted)"
nbd 'expect(h.pread(4096, (12 << 20) - 4096), block)'
