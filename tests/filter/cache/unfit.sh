#!/bin/bash
# unfit.sh - a pool that cannot be used: too small, no room for it, of another version, read-only, taken, not a pool
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit

# each is no harm to a disk without dirty blocks, and locks one with them; when it is mended, fill
# unfit WORDS SPOIL MEND
unfit() {
    for what in clean dirty; do
        begin $what
        $2
        serve_again
        if [ $what = clean ]; then
            without "$1"
        else
            assert_locked "$1"
            assert_state "which holds blocks that have not reached the disk's store, is not there"
        fi
        $3
        verb cache fill >/dev/null
        assert_state write-back
        right
    done
}

cut() { cp --sparse=always "$pool" "$work/whole"; truncate -s 1M "$pool"; POOL_WORDS='' configure "$(cached "$options")"; }
uncut() { cp --sparse=always "$work/whole" "$pool"; }
unfit "the pool does not fit in 1048576 bytes" cut uncut
cut_only() { cp --sparse=always "$pool" "$work/whole"; truncate -s 1M "$pool"; } # the configuration still says 64M
unfit "the pool does not fit in 1048576 bytes" cut_only uncut

version() { cp --sparse=always "$pool" "$work/whole"; python3 - "$pool" <<'END2'
import struct, sys
def crc32c(data, crc=0xffffffff):
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 * (crc & 1)
    return crc
with open(sys.argv[1], "r+b") as f:
    for at in 0, 64 << 10:
        f.seek(at)
        page = bytearray(f.read(4096))
        assert page[:8] == b"weirSUPR", page[:8]
        page[32:36] = struct.pack("<I", 2)
        page[28:32] = struct.pack("<I", crc32c(page[32:], crc32c(page[:28])) ^ 0xffffffff)
        f.seek(at)
        f.write(page)
END2
}
unfit "version 2" version uncut

other() { cp --sparse=always "$pool" "$work/whole"; head -c 1M /dev/urandom | dd of="$pool" conv=notrunc status=none; }
unfit "$pool" other uncut
[ "$(head -c 4 "$work/whole")" = weir ] || fail "the pool is not what this test believes"

# taken by another gateway
hold() {
    python3 - "$pool" >"$work/held.log" 2>&1 <<'END2' &
import fcntl, struct, sys, time
f = open(sys.argv[1], "r+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)) # F_OFD_SETLK
print("held", flush=True)
time.sleep(600)
END2
    holder=$!
    _pids+=("$holder")
    wait_until 60 grep -q held "$work/held.log"
}
release() { kill "$holder"; wait "$holder" 2>/dev/null || true; }
unfit "is in use by another gateway or program" hold release

# no room for a new one
begin clean
rm "$pool"
POOL_SIZE=4000000G configure "$(cached "$options")"
serve_again
without "cannot have"
[ ! -e "$pool" ] || fail "a pool of no size is left"
stop_gateway
