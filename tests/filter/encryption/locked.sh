#!/bin/bash
# locked.sh - is a disk whose key or header is not in order locked, and does it say why?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
serve "$(formatted)"
nbd 'h.pwrite(block, 0); h.flush()'
stop_gateway
cp "$disk" "$work/good"
works() { nbd 'expect(h.pread(4096, 0), block)'; }

# ---- a wrong key, and the right one later
mv "$work/key" "$work/right"
new_key key wrong
serve "$(encrypted)"
assert_locked "key slot"
before=$(sha256sum <"$disk")
refused unlock "key slot"
mv -f "$work/right" "$work/key"
verb encryption unlock >/dev/null
works
assert_eq "$(verb encryption status | sed -n 's/^state: //p')" unlocked
stop_gateway
assert_eq "$(sha256sum <"$disk")" "$before" "the image after a wrong key"

# ---- no key; one that anybody may read
mv "$work/key" "$work/right"
serve "$(encrypted)"
assert_locked "$work/key"
(umask 022 && cat "$work/right" >"$work/key") # never for a moment its own alone: it is asked for again
refused unlock "$work/key"
mv -f "$work/right" "$work/key"
verb encryption unlock >/dev/null
works
stop_gateway

# ---- the key is another option now: unlock asks there
new_key other wrong
serve "{ filter = \"encryption\"; key = \"file:$work/other\"; }"
assert_locked "key slot"
option encryption key "file:$work/key"
verb encryption unlock >/dev/null
works
stop_gateway

# ---- no word of a key is in what is said of a wrong provider
serve "$(encrypted)"
if option encryption key "hunter2-is-my-passphrase" >"$work/said" 2>&1; then fail "a passphrase was taken for a key"; fi
! grep -q hunter2 "$work/said" || fail "a passphrase was repeated: $(cat "$work/said")"
stop_gateway
! grep -q hunter2 "$work/gateway.log" || fail "a passphrase was logged"

# ---- images that are cut, damaged, or something else
bad() { # WHAT WORDS
    before=$(sha256sum <"$disk")
    serve "$(formatted)"
    echo "$1: $(why_locked)"
    assert_locked "$2"
    stop_gateway
    assert_eq "$(sha256sum <"$disk")" "$before" "the image: $1"
}
truncate -s 1M "$disk"
SIZE=1M bad "cut behind the header" ""
truncate -s 12K "$disk"
SIZE=12K bad "cut inside the header" ""
head -c 24M /dev/urandom >"$disk"
bad "noise" ""
cp "$work/good" "$disk"
dd if=/dev/urandom of="$disk" bs=4096 count=2 conv=notrunc status=none
works_with_backup() { serve "$(encrypted)"; works; stop_gateway; }
works_with_backup
cp "$work/good" "$disk"
dd if=/dev/urandom of="$disk" bs=4096 count=16 conv=notrunc status=none
bad "both headers damaged" ""
cp "$work/good" "$disk"
serve "$(encrypted)"
works
stop_gateway

# ---- read-only: read, and not written
EXPORT_MORE='read_only = true;'
before=$(sha256sum <"$disk")
serve "$(encrypted)"
works
nbd 'expect(h.is_read_only(), True)'
refused "add file:$work/other" "the export is read-only"
stop_gateway
assert_eq "$(sha256sum <"$disk")" "$before" "the image of a read-only export"
