#!/bin/bash
# rekey-clevis.sh - does a Clevis binding still open its disk when the passphrase or the volume key is another one?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=40M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
requires clevis clevis-luks-bind jose
by() { printf '{ filter = "encryption"; key = "%s"; %s }' "$1" "$quick"; }
# assert_bound SLOTS: to which the only token belongs
assert_bound() {
    cryptsetup luksDump --dump-json-metadata "$disk" >"$work/json"
    assert_eq "$(python3 -c 'import json, sys; print(*(s for t in json.load(open(sys.argv[1]))["tokens"].values() for s in t["keyslots"]))' \
        "$work/json")" "$1" "the slots of the token"
}
works() { nbd 'expect(h.pread(4096, 8192), block)'; }

# The binding's own passphrase is in the token, so no service is asked.
truncate -s "$SIZE" "$disk"
luks_format "$disk" "$work/key" 256 4096
clevis luks bind -y -k "$work/key" -d "$disk" null '{}' >/dev/null
assert_bound 1
old=$(luks volume-key "$disk" "$work/key")

# ---- another volume key: the binding goes over to the slot that alone is left, and opens it
serve "$(by clevis:)"
wait_until 60 asked
nbd 'h.pwrite(block, 8192); h.flush()'
verb encryption rekey-deep >/dev/null
wait_until 60 ended
works
stop_gateway
assert_bound 2
clevis luks pass -d "$disk" -s 2 | tr -d '\n' >"$work/bound"
[ "$(luks volume-key "$disk" "$work/bound")" != "$old" ] || fail "the volume key is still the old one"
serve "$(by clevis:)"
wait_until 60 asked
works

# ---- another passphrase: its slot goes, and the binding opens nothing any more
new_key new
verb encryption "rekey file:$work/new" >/dev/null
option encryption key "file:$work/new"
verb encryption "rekey file:$work/new" | grep -q "key slot 2 is removed"
works
stop_gateway
rm -r "$work/overrides.d"
assert_bound ""
serve "$(by clevis:)"
wait_until 60 asked
assert_locked "key slot"
stop_gateway

# ---- and back: a disk of a passphrase goes over to a binding
clevis luks bind -y -k "$work/new" -d "$disk" null '{}' >/dev/null
serve "$(by "file:$work/new")"
slot=$(verb encryption status | sed -n '/opened the disk$/!s/^slot \([0-9]*\):.*/\1/p')
verb encryption "rekey clevis:" | grep -q "key slot $slot opens with what clevis: gives"
option encryption key clevis:
verb encryption "rekey clevis:" | grep -q "the disk opens by key slot $slot"
stop_gateway
assert_bound "$slot"
serve "$(by clevis:)"
wait_until 60 asked
works
