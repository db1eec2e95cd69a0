#!/bin/bash
# format.sh - is an empty image formatted, and one that holds anything never?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit

# ---- anything that is not zero, anywhere: locked, and the image is as before
something() { # AT WORDS
    rm -f "$disk"
    truncate -s 24M "$disk"
    printf x | dd of="$disk" bs=1 seek="$1" conv=notrunc status=none
    before=$(sha256sum <"$disk")
    serve "$(formatted)"
    assert_locked "$2"
    stop_gateway
    assert_eq "$(sha256sum <"$disk")" "$before" "the image with a byte at $1"
}
something 0 "holds something that is not LUKS"
something 4096 "holds something that is not LUKS"
something $((9 << 20)) "holds something near byte $((9 << 20))"
something $((16 << 20)) "byte $((16 << 20)) is not zero"
something $((20 << 20)) "byte $((20 << 20)) is not zero"
something $(((24 << 20) - 1)) "holds something"

# ---- empty, but nobody said format
rm "$disk"
serve "$(encrypted)"
assert_locked "the verb format, or format = true, makes one on an empty image; or check that this is the right image"
stop_gateway
cmp -n $((24 << 20)) "$disk" /dev/zero || fail "it was formatted without being asked"

# ---- empty, but the export is read-only
EXPORT_MORE='read_only = true;'
serve "$(formatted)"
assert_locked "the export is read-only"
stop_gateway
EXPORT_MORE=
cmp -n $((24 << 20)) "$disk" /dev/zero || fail "it was formatted although it is read-only"

# ---- empty and no key: locked, not formatted; the key comes, and unlock does it
mv "$work/key" "$work/away"
serve "$(formatted)"
assert_locked "$work/key"
cmp -n $((24 << 20)) "$disk" /dev/zero || fail "it was formatted without a key"
mv "$work/away" "$work/key"
verb encryption unlock >/dev/null
assert_eq "$(state)" active "with its key"
assert_eq "$(nbdinfo --size "$url")" $((8 << 20)) "the size of the payload"
nbd 'h.pwrite(block, 4096); h.flush()'
stop_gateway

# ---- by the verb, once, without the option; not twice, and not where anything is
no_disk
serve "$(encrypted "$quick")"
refused unlock "the disk has no LUKS header"
verb encryption format >/dev/null
nbd 'h.pwrite(block, 4096); h.flush()'
refused format "is not formatted a second time"
stop_gateway
printf x | dd of="$disk" bs=1 seek=$((20 << 20)) conv=notrunc status=none
dd if=/dev/zero of="$disk" bs=1M count=16 conv=notrunc status=none
serve "$(encrypted "$quick")"
refused format "is not zero"
assert_locked "is not zero"
stop_gateway

# ---- an empty image where a disk was: its datastore may not be mounted
mv "$disk" "$work/moved"
serve "$(formatted)"
uuid=$(cat "$work"/state/exports/vm1/encryption/uuid)
assert_locked "this disk was LUKS $uuid and is empty now: is its datastore mounted?"
refused format "remove the file $work/state/exports/vm1/encryption/uuid first"
stop_gateway
cmp -n $((24 << 20)) "$disk" /dev/zero || fail "an empty image was formatted where a disk was"
mv -f "$work/moved" "$disk"

# ---- another disk in its place is served, and that is said, once
forget
rm "$disk"
serve "$(formatted)"
nbd 'h.pwrite(block, 4096); h.flush()'
stop_gateway
printf '%s' "$uuid" >"$work/state/exports/vm1/encryption/uuid"
serve "$(formatted)"
stop_gateway
grep -qF "the disk was LUKS $uuid when" "$work/gateway.log" || fail "nobody was told of another disk"
serve "$(formatted)"
stop_gateway
! grep -qF "the disk was LUKS" "$work/gateway.log" || fail "another disk was said twice"

# ---- formatted already: format means nothing
head=$(head -c 16M "$disk" | sha256sum)
serve "$(formatted)"
nbd 'expect(h.pread(4096, 4096), block)'
assert_eq "$(head -c 16M "$disk" | sha256sum)" "$head" "the header after a second opening"
stop_gateway

# ---- a disk in memory is lost with its gateway, and is locked then until somebody says so
forget
cat >"$work/memory.conf" <<END
datastores = ( { name = "ram"; type = "memory"; } );
exports = ( { name = "vm1"; datastore = "ram"; image = "vm1"; size = "24M"; policy = "p"; } );
include_policies = "policies.d";
END
printf 'name = "p"; filters = ( %s );\n' "$(formatted)" >"$work/policies.d/p.conf"
serve_memory() { start_gateway "$work/memory.conf" && url=$(uri vm1); }
serve_memory
nbd 'h.pwrite(block, 4096)'
stop_gateway
serve_memory
assert_locked "is empty now: is its datastore mounted?"
stop_gateway
forget
serve_memory
nbd 'h.pwrite(block, 4096)'
