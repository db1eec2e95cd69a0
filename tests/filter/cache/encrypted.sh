#!/bin/bash
# encrypted.sh - does a pool under an encrypted disk hold anything of its plain text, or its key?
# SPDX-License-Identifier: BSD-3-Clause
POOL_SIZE=256M # room: what is dirty is not destaged for want of it
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
requires cryptsetup
key_words="the pass phrase of this test"
(umask 077 && printf '%s' "$key_words" >"$work/key")
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h";'),
    { filter = \"encryption\"; key = \"file:$work/key\"; format = true; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; }"

# marks BEGIN COUNT: sectors, each with a word of its own, two next to each other and a gap
marks() {
    nbd "
def mark(i): return (b'plain-text-marker-%05d.' % i * 22)[:512]
for i in range($2): h.pwrite(mark(i), $1 + i * 3 // 2 * 512)
h.flush()
for i in range($2): expect(bytes(h.pread(512, $1 + i * 3 // 2 * 512)), mark(i))
"
}
absent() { # FILE WHAT
    ! grep -qaF "plain-text-marker-" "$1" || fail "plain text is in $2"
    ! grep -qaF "$key_words" "$1" || fail "the key is in $2"
    python3 - "$1" "$work/volume" <<'END2' || fail "a part of the volume key is in $2"
import sys
data, volume = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
assert len(volume) == 64, len(volume)
sys.exit(any(volume[i:i + 8] in data for i in range(0, 64, 8)))
END2
}
# first all of them in the store, too, then more in the pool alone
marks 0 10000
drain
verb cache fill >/dev/null
PATH=$PATH:/usr/sbin:/sbin cryptsetup luksDump -q --dump-volume-key --volume-key-file "$work/volume" \
    --key-file "$work/key" "$disk" >/dev/null
marks 8000512 500
assert_dirty
absent "$pool" "the pool, which is in use"
absent "$disk" "the image"
stop_gateway
absent "$pool" "the pool"
serve_again
nbd "expect(bytes(h.pread(512, 8000512))[:18], b'plain-text-marker-')"
