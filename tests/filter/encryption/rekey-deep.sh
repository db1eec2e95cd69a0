#!/bin/bash
# rekey-deep.sh - does a disk get another volume key while four connections work with it?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit

for sector in 512 4096; do
    no_disk
    serve "$(formatted "sector_size = \"$sector\";")"
    model fill "$work/model"
    new_key other
    verb encryption "add file:$work/other" >/dev/null
    old=$(luks volume-key "$disk" "$work/key")
    load_begins
    verb encryption "rekey-deep file:$work/key" >"$work/said"
    grep -q "opens by key slot 2 alone.*lost are then key slots 0, 1$" "$work/said" || fail "$(cat "$work/said")"
    wait_until 60 ended
    load_ends
    model check "$work/model"
    case $(verb encryption status) in *"slot 2: pbkdf2, opened the disk"*) ;; *) fail "$(verb encryption status)" ;; esac
    stop_gateway
    assert_rekeyed "$old" "$work/key"
    ! cryptsetup luksOpen --test-passphrase --key-file "$work/other" "$disk" 2>/dev/null || fail "a lost key opens it"
done
