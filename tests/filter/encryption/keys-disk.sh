#!/bin/bash
# keys-disk.sh - is a disk opened by the tokens of its own header, and by none when they are gone?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=40M
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
PATH=$PATH:/usr/sbin:/sbin
requires keyctl cryptsetup
keyctl show >/dev/null 2>&1 || skip "needs a kernel that lets us use keyctl"

name=weir-test:$$:$RANDOM
truncate -s "$SIZE" "$disk"
luks_format "$disk" "$work/key" 256 4096
# number 2: the first ones are missing
cryptsetup token add --key-description "$name" --token-id 2 "$disk"
by() { printf '{ filter = "encryption"; key = "%s"; }' "$1"; }

# the key of the kernel is not there yet; then it is
serve "$(by token:)"
assert_locked "the kernel has no key \"$name\""
id=$(keyctl padd user "$name" @u <"$work/key")
cleanup_fn "keyctl unlink $id @u"
verb encryption unlock
nbd 'h.pwrite(block, 8192); h.flush(); expect(h.pread(4096, 8192), block)'
assert_statistic encryption key_provider token
stop_gateway

# one token by its number; one that is not there; the same key without a token
serve "$(by token:2)"
nbd 'expect(h.pread(4096, 8192), block)'
stop_gateway
serve "$(by token:1)"
assert_locked "the header of the disk has no token 1"
option encryption key "keyring:$name"
verb encryption unlock
nbd 'expect(h.pread(4096, 8192), block)'
stop_gateway

# a command, among the threads and descriptors of a gateway
serve "$(by "exec:/usr/bin/cat $work/key")"
wait_until 60 asked
nbd 'expect(h.pread(4096, 8192), block)'
stop_gateway

# Clevis has a binding there, to nothing: its passphrase is in the token, so no service is asked
requires clevis-luks-bind
clevis luks bind -y -k "$work/key" -d "$disk" null '{}' >/dev/null
serve "$(by clevis:)"
wait_until 60 asked
nbd 'expect(h.pread(4096, 8192), block)'
stop_gateway
! grep -rqF "$(cat "$work/key")" "$work"/*.log "$WEIR_RUN" 2>/dev/null || fail "the key is in a log"
