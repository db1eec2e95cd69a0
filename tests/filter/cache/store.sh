#!/bin/bash
# store.sh - the image was exchanged, changed behind the pool's back, or restored: is a stale byte ever read?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit
fill_image() { head -c 16M /dev/zero | tr '\0' "$1" >"$2"; }

# exchanged, nothing dirty: what the pool has is void
begin clean
fill_image n "$work/new"
mv "$disk" "$work/old"
mv "$work/new" "$disk"
serve_again
assert_said "it is another image than the one that the pool knows"
assert_state write-back
reads n 0 4096
stop_gateway

# exchanged, with dirty blocks: locked; with the right one again it goes on
begin dirty
fill_image n "$work/new"
mv "$disk" "$work/old"
mv "$work/new" "$disk"
serve_again
assert_locked "it is another image than the one that the pool knows"
cmp -s <(head -c 4096 "$disk") <(head -c 4096 /dev/zero | tr '\0' n) || fail "the other image was written"
stop_gateway
mv "$work/old" "$disk"
serve_again
right
# or the blocks are given up, and the new image is the disk
begin dirty
fill_image a "$work/new"
mv "$work/new" "$disk"
serve_again
assert_locked "another image"
given_up

# written behind the pool's back
begin clean
dd if=/dev/zero bs=4096 count=64 status=none | tr '\0' m | dd of="$disk" conv=notrunc status=none
serve_again
assert_said "it has been changed since it was last served"
reads m
stop_gateway
begin dirty
dd if=/dev/zero bs=4096 count=64 status=none | tr '\0' m | dd of="$disk" conv=notrunc status=none
serve_again
assert_locked "it has been changed since it was last served"
verb cache "discard yes" >/dev/null
reads m
stop_gateway

# older than it was: what a loss of power may leave.  What is clean is void, what is dirty is right
begin clean
dd if=/dev/zero bs=4096 count=64 status=none | tr '\0' o | dd of="$disk" conv=notrunc status=none
touch -d '1 hour ago' "$disk"
serve_again
assert_said "it is older than when it was last served"
reads o
stop_gateway
begin dirty
head -c 131072 /dev/zero | tr "\0" o | dd of="$disk" bs=4096 seek=32 conv=notrunc status=none
touch -d '1 hour ago' "$disk"
serve_again
assert_state write-back
reads b 0 32
reads o 32 32
drain
in_store b 0 32 || fail "older: what was dirty is not in the store"
stop_gateway

# smaller than it was, and larger
begin dirty
truncate -s 8M "$disk"
touch -d '1 hour ago' "$disk"
sed -i 's/size = "16M"/size = "8M"/' "$work/weir.conf"
serve_again
assert_locked "it is smaller than the pool knows it"
stop_gateway
