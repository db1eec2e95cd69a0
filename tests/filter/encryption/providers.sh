# providers.sh - what do the tests of key providers share?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced instead of tests/lib.sh.  key-of prints the digest of a key, so no log has one.
. "$WEIR_SOURCE/tests/lib.sh"
PATH=$PATH:/usr/sbin:/sbin # cryptsetup, for ordinary users
key_of=$WEIR_BUILD/tests/filter/encryption/key-of
patience=60 # seconds: what is not stuck never needs it

digest() { sha256sum | cut -d' ' -f1; }
# gives WORD DIGEST: no copy of the key is left in our memory, but where a library does that: $copies.
gives() {
    local said
    said=$("$key_of" "$1" $patience "${tokens_file:-/dev/null}") || fail "$1: $said"
    assert_eq "${said%% *}" "$2" "$1"
    [ "${said##* }" = 0 ] || [ "${copies:-0}" = any ] || fail "$1 is outside the region: ${said##* } of its words"
}
# refused WORD ERROR PART OF ITS SENTENCE
refused() {
    local said
    said=$("$key_of" "$1" $patience "${tokens_file:-/dev/null}") && fail "$1 gave a key"
    case $said in
    "$2: "*"$3"*) ;;
    *) fail "$1: '$said' is not $2 with '$3'" ;;
    esac
}
# free_port: sets $port to one that nobody has on loopback.
free_port() {
    port=$(/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
}
# luks_image: a LUKS2 disk, $image, whose key slot 0 has $work/passphrase.
luks_image() {
    image=$work/disk
    truncate -s 20M "$image"
    head -c 33 /dev/urandom | base64 -w 0 >"$work/passphrase"
    chmod 600 "$work/passphrase"
    cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$image" "$work/passphrase"
}
# tokens: those of $image, as key-of wants them, in $tokens_file.
tokens() {
    local i
    tokens_file=$work/tokens
    for i in $(seq 0 31); do
        cryptsetup token export --token-id "$i" "$image" 2>/dev/null | tr -d '\n' || true
        echo
    done >"$tokens_file"
}
