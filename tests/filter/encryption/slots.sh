#!/bin/bash
# slots.sh - do key slots come and go, and does the disk open with what its option says at each step?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
serve "$(formatted)"
nbd 'h.pwrite(block, 0); h.flush()'
new_key new
new_key third
slots() { verb encryption status | grep -c '^slot' || true; }
opens_with() { # KEY: does it open the image, as it is now?
    python3 "$here/luks.py" volume-key "$disk" "$work/$1" >/dev/null 2>&1
}

# ---- add: both open; a word that names no provider is not repeated
assert_eq "$(slots)" 1 "slots at first"
verb encryption "add file:$work/third" | grep -q "key slot 1 opens with what file:$work/third gives"
assert_eq "$(slots)" 2 "slots after add"
opens_with key && opens_with third || fail "not both keys open"
refused "add hunter2" "does not begin with a provider of keys"
refused "add hunter2:passphrase" "does not begin with a provider of keys"
! grep -q hunter2 "$work/said" "$work/gateway.log" || fail "a passphrase was repeated"
refused "add" "expected where the new key comes from"
refused "add file:$work/none" "$work/none"
assert_eq "$(slots)" 2 "slots after refusals"

# ---- remove: never what the option key opens, whatever opened the disk
refused "remove 0" "key slot 0 is the one that the option key opens"
option encryption key "file:$work/third"
refused "remove 1" "key slot 1 is the one that the option key opens"
option encryption key "file:$work/none"
refused "remove 0" "no key slot is removed while it is not known which one the option key opens"
option encryption key "file:$work/new"
refused "remove 1" "no key slot is removed while it is not known which one the option key opens"
assert_eq "$(slots)" 2 "slots after refusals to remove"
option encryption key "file:$work/key"
refused "remove 7" "7"
refused "remove x" "expected the number of a key slot"
refused "remove" "expected the number of a key slot"
verb encryption "remove 1" >/dev/null
opens_with key || fail "the key that stays does not open"
! opens_with third || fail "a removed slot opens"
verb encryption "add file:$work/third" >/dev/null
option encryption key "file:$work/third"
verb encryption "remove 0" >/dev/null # it opened the disk; what is asked now opens another
opens_with third || fail "the key of the option does not open"
verb encryption status | grep -q "slot 1: .*, opened the disk" || fail "$(verb encryption status)"
verb encryption "add file:$work/key" >/dev/null
option encryption key "file:$work/key"
verb encryption "remove 1" >/dev/null

# ---- rekey, in two steps; at each the option's key opens the disk
verb encryption "rekey file:$work/new" >"$work/said"
grep -qF "set the option key to file:$work/new" "$work/said" || fail "$(cat "$work/said")"
opens_with key && opens_with new || fail "after the first step"
verb encryption "rekey file:$work/new" >/dev/null # once more is no harm
assert_eq "$(slots)" 2 "slots after the first step, twice"
option encryption key "file:$work/new"
opens_with key && opens_with new || fail "after the option was set"
verb encryption "rekey file:$work/new" >"$work/said"
grep -q "key slot 0 is removed" "$work/said" || fail "$(cat "$work/said")"
opens_with new || fail "after the second step the new key does not open"
! opens_with key || fail "after the second step the old key opens"
assert_eq "$(slots)" 1 "slots after rekey"
refused "remove 1" "the one that the option key opens"
nbd 'expect(h.pread(4096, 0), block)'
verb encryption "lock" >/dev/null
refused "rekey file:$work/third" "unlock it first"
verb encryption unlock >/dev/null
kill_server

# ---- a gateway that was killed between the steps: the rest is done by remove
serve "$(formatted)" # the option is kept as it was set
nbd 'expect(h.pread(4096, 0), block)'
verb encryption "rekey file:$work/third" >/dev/null
option encryption key "file:$work/third"
kill_server
serve "$(formatted)"
nbd 'expect(h.pread(4096, 0), block)'
verb encryption "rekey file:$work/third" | grep -q "nothing to go over to"
refused "remove 0" "the one that the option key opens"
verb encryption "remove 1" >/dev/null
opens_with third || fail "the new key does not open"
! opens_with new || fail "the old key opens"

# ---- status says what there is, and no secret
verb encryption status >"$work/said"
for words in "state: unlocked" "key: file:$work/third" "header: LUKS2," "cipher: aes-xts-plain64" "opened the disk"; do
    grep -qF "$words" "$work/said" || fail "status does not say $words: $(cat "$work/said")"
done
! grep -rqF "$(cat "$work/third")" "$work/said" "$work/gateway.log" "$WEIR_STATE" || fail "a key was shown"
