#!/bin/bash
# place.sh - who sees plain text, by default and with plaintext_filters, in a chain with others?
# SPDX-License-Identifier: BSD-3-Clause
#
# Two filters that write down what they see: one of the class capture, one of the class cache.
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
WEIR_FILTERS=$WEIR_FILTERS:$WEIR_BUILD/tests/filter/encryption
word="this is plain text, which not everybody should see"

chain() { # PLAINTEXT_FILTERS
    no_disk
    rm -f "$work"/seen.*
    POLICY_MORE="plaintext_filters = $1;"
    serve "{ filter = \"seen-cache\"; path = \"$work/seen.cache\"; }, $(formatted),
        { filter = \"inspection\"; }, { filter = \"seen-capture\"; path = \"$work/seen.capture\"; }"
    nbd "
for i in range(200):
    h.pwrite((b'$word' * 100)[:4096], i * 4096)
h.pwrite(b'$word', 1000001)
h.flush()
expect(h.pread(4096, 0), (b'$word' * 100)[:4096])
expect(h.pread(${#word}, 1000001), b'$word')
"
    trace=$(statistic inspection trace | awk '$2 == "write" && $5 !~ /derived/ { print $3; exit }')
    stop_gateway
    ! grep -qaF "$word" "$disk" || fail "plain text is in the image"
    ! grep -qaF "$word" "$work/seen.cache" || fail "the cache saw plain text"
    [ "$(stat -c %s "$work/seen.cache")" -gt 800000 ] || fail "the cache saw nothing"
    [ "$(stat -c %s "$work/seen.capture")" -gt 800000 ] || fail "the capture saw nothing"
}

chain false
! grep -qaF "$word" "$work/seen.capture" || fail "the capture saw plain text, by default"
assert_eq "$trace" $((16 << 20)) "where inspection saw the first write, below encryption"

chain true
assert_eq "$(grep -aoF "$word" "$work/seen.capture" | wc -l)" $(((200 + 1) * (4096 / ${#word}) + 2)) \
    "what the capture saw of the words, above encryption"
assert_eq "$trace" 0 "where inspection saw the first write, above encryption"

# ---- a change of the chain, its order as well, keeps the key: nobody is asked for it again
POLICY_MORE=
no_disk
serve "$(formatted)"
nbd 'h.pwrite(block, 5000); h.flush()'
mv "$work/key" "$work/away"
for plaintext in false true; do
    printf 'name = "p"; plaintext_filters = %s; filters = ( %s, { filter = "inspection"; } );\n' \
        $plaintext "$(formatted)" >"$work/new.conf"
    "$weirctl" policy set p "$work/new.conf"
    nbd 'expect(h.pread(4096, 5000), block); h.pwrite(block, 5000)'
    assert_statistic encryption state unlocked
done
assert_eq "$(statistic inspection trace | awk '$2 == "write" { at = $3 } END { print at }')" 5000 \
    "where inspection saw the last write, above encryption"

# ---- nor does what is about an image that is formatted take the key from one that is
printf 'name = "p"; plaintext_filters = true; filters = ( %s, { filter = "inspection"; } );\n' \
    "$(encrypted 'key_bits = 128; sector_size = "512";')" >"$work/new.conf"
"$weirctl" policy set p "$work/new.conf"
assert_eq "$(ctl get exports/vm1/filters/@encryption/options/key_bits)" 128
assert_statistic encryption state unlocked
nbd 'expect(h.pread(4096, 5000), block); h.pwrite(block, 5000)'
