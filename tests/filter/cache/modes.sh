#!/bin/bash
# modes.sh - where does a write go in each mode, and what becomes of what was there before?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
# same BYTE OFFSET: the image has 4 KiB of it there
same() { head -c 4096 /dev/zero | tr '\0' "$1" | cmp -s - <(tail -c +$((${2} + 1)) "$disk" | head -c 4096); }
# counts: hits and misses since the last call
counted=(0 0)
counts() {
    local now; now=("$(statistic cache hits)" "$(statistic cache misses)")
    echo "$((now[0] - counted[0])) $((now[1] - counted[1]))"
}
count() { counted=("$(statistic cache hits)" "$(statistic cache misses)"); }
long='sequential = "none"; destage_delay = "1h";'

# read: the store has a write at once; a read fills the pool, a write makes that void
serve_cache "$(cached "mode = \"read\"; $long")"
assert_statistic cache state read
nbd 'h.pwrite(b"a" * 4096, 0)'
same a 0 || fail "read: the store does not have what was written"
assert_statistic cache dirty_bytes 0
count; nbd 'expect(h.pread(4096, 0), b"a" * 4096)'; assert_eq "$(counts)" "0 1" "read: the first read"
count; nbd 'expect(h.pread(4096, 0), b"a" * 4096)'; assert_eq "$(counts)" "1 0" "read: the second read"
nbd 'h.pwrite(b"b" * 512, 1024)'
count; nbd 'expect(h.pread(4096, 0), b"a" * 1024 + b"b" * 512 + b"a" * 2560)'
assert_eq "$(counts)" "0 1" "read: after a write"

# write-through: the store and the pool have it; whole blocks alone are kept
write_policy "$(cached "mode = \"write-through\"; $long")"
"$weirctl" reload >/dev/null
assert_statistic cache mode write-through
nbd 'h.pwrite(b"c" * 4096, 4096)'
same c 4096 || fail "write-through: the store does not have what was written"
assert_statistic cache dirty_bytes 0
count; nbd 'expect(h.pread(4096, 4096), b"c" * 4096)'; assert_eq "$(counts)" "1 0" "write-through: a read after it"
nbd 'h.pwrite(b"d" * 4096, 4096)' # over what is there
count; nbd 'expect(h.pread(4096, 4096), b"d" * 4096)'; assert_eq "$(counts)" "1 0" "write-through: written again"
nbd 'h.pwrite(b"e" * 512, 4096)'
count; nbd 'expect(h.pread(4096, 4096), b"e" * 512 + b"d" * 3584)'; assert_eq "$(counts)" "0 1" "write-through: a part of it"

# write-back: the pool alone has it, a FLUSH does not ask the store, and a read sees it
option cache mode write-back
nbd 'h.pwrite(b"f" * 4096, 8192); h.pwrite(b"g" * 512, 4096 + 512); h.flush()'
! same f 8192 || fail "write-back: the store has it already"
assert_statistic cache dirty_bytes 8192
count; nbd 'expect(h.pread(4096, 8192), b"f" * 4096)'; assert_eq "$(counts)" "1 0" "write-back: a read after it"
nbd 'expect(h.pread(4096, 4096), b"e" * 512 + b"g" * 512 + b"d" * 3072)'
# written again before it is destaged: dirty once
nbd 'h.pwrite(b"h" * 4096, 8192)'
assert_statistic cache dirty_bytes 8192

# back to write-through: what is dirty goes to the store by itself, also what is not written again
option cache mode write-through
wait_until 60 is_clean
same h 8192 || fail "the store does not have what was dirty"
assert_statistic cache state write-through
assert_statistic cache destaged_bytes $((4096 + 512))
count; nbd 'expect(h.pread(4096, 8192), b"h" * 4096)'; assert_eq "$(counts)" "1 0" "what has been destaged stays"
stop_gateway
nbd_of_image() { cmp <(head -c 12288 "$disk") <(python3 -c '
import sys
w = sys.stdout.buffer.write
w(b"a" * 1024 + b"b" * 512 + b"a" * 2560 + b"e" * 512 + b"g" * 512 + b"d" * 3072 + b"h" * 4096)'); }
nbd_of_image || fail "the image is not what was written"
