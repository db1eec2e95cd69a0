#!/bin/bash
# keys-keyring.sh - does the kernel give its keys, to a word and to a LUKS2 token that names one?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires keyctl cryptsetup
keyctl show >/dev/null 2>&1 || skip "needs a kernel that lets us use keyctl"

name=weir-test:$$:$RANDOM
# put TYPE DESCRIPTION KEYRING: what comes in becomes a key, until the end of the test.
put() {
    local id
    id=$(keyctl padd "$1" "$2" "$3") || return 1
    cleanup_fn "keyctl unlink $id $3"
    echo "$id" >"$work/id"
}
head -c 33 /dev/urandom | base64 -w 0 >"$work/passphrase"
want=$(digest <"$work/passphrase")

refused "keyring:$name" ENOENT "the kernel has no key \"$name\" of type user"
put user "$name" @u <"$work/passphrase"
gives "keyring:$name" "$want"
gives "keyring:user:$name" "$want"
head -c 6000 /dev/urandom >"$work/long"
# an ordinary user has 20000 bytes in all
put user "$name:long" @u <"$work/long"
gives "keyring:$name:long" "$(digest <"$work/long")"
refused "keyring:big_key:$name" ENOENT "no key \"$name\" of type big_key" # but of another
if put big_key "$name" @u <"$work/passphrase" 2>/dev/null; then # not all kernels have the type
    gives "keyring:big_key:$name" "$want"
fi

# in a session that does not have the user's keyring, as that of a service
alone() { keyctl session - "$@" 2>/dev/null; }
assert_eq "$(alone "$key_of" "keyring:$name")" "$want 44 0"
# and a key that only such a session has
# shellcheck disable=SC2016
assert_eq "$(alone bash -c 'keyctl padd user "$1" @s <"$2" >/dev/null; exec "$3" "keyring:$1"' - \
    "$name:mine" "$work/passphrase" "$key_of")" "$want 44 0"
refused "keyring:$name:mine" ENOENT "the kernel has no key"

# a LUKS2 token that names it
luks_image
cryptsetup token add --key-description "$name" --token-id 3 "$image"
tokens
gives token: "$want"
gives token:3 "$want"
refused token:2 ENOENT "the header of the disk has no token 2"
refused clevis: ENOENT "has no token of type clevis"
printf '{"type":"luks2-keyring","keyslots":[]}\n{"type":"no-such","keyslots":[]}\n{"type":"../../tmp/x"}\n[]\n' >"$work/tokens"
refused token:0 EBADMSG "has no key_description"
refused token:1 EOPNOTSUPP "libcryptsetup-token-no-such.so"
refused token:2 EBADMSG "has no type that can be"
refused token:3 EBADMSG "is no JSON object"
refused token: EBADMSG "token 0 of type luks2-keyring" # the first one's sentence

# what has an end
put user "$name:brief" @u <"$work/passphrase"
keyctl revoke "$(cat "$work/id")"
refused "keyring:$name:brief" ENOENT "was revoked"
put user "$name:closed" @u <"$work/passphrase"
keyctl setperm "$(cat "$work/id")" 0x01010000 # it may be looked at, and not be found or read
refused "keyring:$name:closed" EACCES "keyctl setperm it"
