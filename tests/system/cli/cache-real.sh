#!/usr/bin/env bash
# cache-real.sh - is what is dirty written back by weirctl, so that the image alone has it?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdkit nbdsh
mkdir "$work/disks" "$work/policies.d"
cat >"$work/policies.d/fast.conf" <<EOF
name = "fast";
filters = ( { filter = "cache"; pool = "ssd"; mode = "write-back"; destage_delay = "1h"; } );
EOF
cat >"$work/weir.conf" <<EOF
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
pools = ( { name = "ssd"; path = "$work/pool"; size = "96M"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "fast"; } );
include_policies = "policies.d";
EOF
nbd() { nbdsh -u "$(uri vm1)" -c "$1"; }
# image OFFSET: the byte there, without the gateway
image() { od -An -tx1 -j "$1" -N 1 "$work/disks/vm1" | tr -d ' '; }
figure() { # NAME: of the one cache
    expect 0 --json cache status
    python3 -c 'import json, sys; print(json.loads(sys.argv[1])["caches"][0][sys.argv[2]])' "$out" "$1"
}
start_gateway "$work/weir.conf" name=one

# ---- dirty until it is flushed; then the image has it
nbd 'h.pwrite(b"\x5a" * 1048576, 4 << 20); h.flush()'
assert_eq "$(image $((4 << 20)))" 00 "the image before a flush of the cache"
assert_eq "$(figure dirty_bytes) $(figure mode) $(figure pool)" "1048576 write-back ssd"
expect 0 cache status vm1
says "1 MiB"
expect 0 cache flush vm1
says "1048576 bytes are on their way to the store"
assert_eq "$(figure dirty_bytes)" 0
assert_eq "$(image $((4 << 20)))" 5a "the image after it"

# ---- drained, it writes through until fill
nbd 'h.pwrite(b"\xa5" * 65536, 8 << 20)'
expect 0 cache drain vm1
assert_eq "$(image $((8 << 20)))" a5 "the image of a drained cache"
nbd 'h.pwrite(b"\xb6" * 65536, 9 << 20)'
assert_eq "$(image $((9 << 20))) $(figure dirty_bytes) $(figure mode)" "b6 0 write-through" "write-through"
expect 0 cache fill vm1
nbd 'h.pwrite(b"\xc7" * 65536, 10 << 20)'
assert_eq "$(image $((10 << 20))) $(figure dirty_bytes) $(figure mode)" "00 65536 write-back" "after fill"

# ---- clean blocks are forgotten, dirty ones are not
expect 0 cache invalidate vm1
assert_eq "$(figure clean_bytes) $(figure dirty_bytes)" "0 65536"
nbd 'assert h.pread(65536, 10 << 20) == b"\xc7" * 65536; assert h.pread(4096, 4 << 20) == b"\x5a" * 4096'
[ "$(figure misses)" -gt 0 ] || fail "what was forgotten was read from the pool"

# ---- the curve
nbd '
for i in range(4):
    h.pread(1048576, 16 << 20)'
expect 0 cache mrc vm1
says "MISSES"
expect 0 --json cache mrc vm1
json 'd["points"] and all(0 <= p["miss_ratio"] <= 1 for p in d["points"])'

# ---- detached, what only the pool had is in the image
expect 0 cache detach vm1
assert_eq "$(figure dirty_bytes) $(figure state)" "0 detached"
assert_eq "$(image $((10 << 20)))" c7 "the image of a detached cache"
expect 4 cache discard vm1
complains 'say "discard yes"'
expect 4 cache discard vm1 yes
complains "nothing is to be given up"
expect 0 cache fill vm1

# ---- a pool that is lost with dirty blocks locks the disk, until they are given up
nbd 'h.pwrite(b"\xd8" * 4096, 12 << 20); h.flush()'
kill_server
mv "$work/pool" "$work/lost"
start_gateway "$work/weir.conf" name=one
! nbd 'h.pread(512, 0)' 2>/dev/null || fail "a disk was served without its dirty blocks"
expect 0 cache status vm1
says "locked: "
expect 0 cache discard vm1 yes
nbd 'assert h.pread(4096, 12 << 20) == bytes(4096); assert h.pread(4096, 10 << 20) == b"\xc7" * 4096'
