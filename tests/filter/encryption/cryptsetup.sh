#!/bin/bash
# cryptsetup.sh - are headers of cryptsetup and QEMU opened here, and ours there, to the same key?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires cryptsetup qemu-img
header_of=$WEIR_BUILD/tests/filter/encryption/header-of
disk=$work/disk
printf %s "a passphrase" >"$work/key"

# compare WORDS: both say the same volume key; prints how long each took to find it
compare() {
    "$header_of" "$disk" "a passphrase" >"$work/ours"
    local from=$EPOCHREALTIME to
    cryptsetup luksDump --batch-mode --dump-volume-key --volume-key-file "$work/volume" \
        --key-file "$work/key" "$disk" >/dev/null
    to=$EPOCHREALTIME
    assert_eq "$(sed -n 2p "$work/ours")" "$(od -An -v -tx1 "$work/volume" | tr -d ' \n')" "$1: the volume key"
    echo "$1: unlocked in $(sed -n 3p "$work/ours") s, by cryptsetup in" \
        "$(((${to/./} - ${from/./}) / 1000)) ms with its start"
    rm "$work/volume"
}

for words in "luks2 512 256 argon2id" "luks2 4096 512 argon2id" "luks2 4096 256 pbkdf2" "luks1 512 512 pbkdf2"; do
    read -r type sector bits pbkdf <<<"$words"
    cost=(--pbkdf-force-iterations 1000)
    [ "$pbkdf" = pbkdf2 ] || cost=(--pbkdf-force-iterations 4 --pbkdf-memory 65536 --pbkdf-parallel 1)
    [ "$type" = luks1 ] || cost+=(--sector-size "$sector" --pbkdf "$pbkdf")
    rm -f "$disk" && truncate -s 20M "$disk"
    cryptsetup luksFormat --batch-mode --type "$type" --cipher aes-xts-plain64 --key-size "$bits" "${cost[@]}" \
        --key-file "$work/key" "$disk" >/dev/null
    compare "$words"
    assert_eq "$(cut -d' ' -f1-4 <<<"$(head -1 "$work/ours")")" "${type#luks} aes-xts-plain64 $bits $sector" "$words"
done

for bits in 128 256; do
    for _ in 1 2 3 4 5 6 7 8; do # it gives up where its CPU time is not counted finely enough
        rm -f "$disk"
        ! qemu-img create -q -f luks --object "secret,id=key,file=$work/key" \
            -o "key-secret=key,cipher-alg=aes-$bits,iter-time=10" "$disk" 8M || break
    done
    compare "QEMU's LUKS1, aes-$bits"
done

for words in "512 256 pbkdf2" "4096 512 argon2id"; do
    rm -f "$disk" && truncate -s 20M "$disk"
    # shellcheck disable=SC2086 # three words
    "$header_of" "$disk" "a passphrase" format $words >/dev/null
    cryptsetup luksOpen --test-passphrase --key-file "$work/key" "$disk"
    cryptsetup luksDump "$disk" | grep -q "sector: ${words%% *} "
    compare "ours, $words"
    ! "$header_of" "$disk" "another" 2>"$work/refused" || fail "another passphrase opens it"
    grep -q "^-13: " "$work/refused"
done

# what cryptsetup makes and is not served
rm -f "$disk" && truncate -s 20M "$disk" && truncate -s 16M "$work/header"
cryptsetup luksFormat --batch-mode --type luks2 --header "$work/header" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --key-file "$work/key" "$disk" >/dev/null
! "$header_of" "$work/header" "a passphrase" 2>"$work/refused" || fail "a detached header is opened"
grep -q "detached" "$work/refused" || fail "$(cat "$work/refused")"
for cipher in aes-cbc-essiv:sha256 serpent-xts-plain64; do
    cryptsetup luksFormat --batch-mode --type luks2 --cipher $cipher --key-size 256 --pbkdf pbkdf2 \
        --pbkdf-force-iterations 1000 --key-file "$work/key" "$disk" >/dev/null 2>&1 || continue
    ! "$header_of" "$disk" "a passphrase" 2>"$work/refused" || fail "$cipher is opened"
    grep -q "$cipher" "$work/refused" || fail "$(cat "$work/refused")"
done
