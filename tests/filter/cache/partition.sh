#!/bin/bash
# partition.sh - a guest whose partition begins at sector 63: is anything read that it did not ask for?
# SPDX-License-Identifier: BSD-3-Clause
POOL_SIZE=256M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
mkdir -p "$work/disks"
truncate -s 32M "$disk"
python3 - "$disk" <<'END2'
import struct, sys
with open(sys.argv[1], "r+b") as f: # one partition, from sector 63 on
    f.seek(446)
    f.write(struct.pack("<B3sB3sII", 0x80, b"\1\1\0", 0x83, b"\xfe\xff\xff", 63, 60000))
    f.seek(510)
    f.write(b"\x55\xaa")
END2
# what the store is asked: by the filter that stands below the cache
below='{ filter = "fault"; ops = "read"; }'
configure "$(cached 'mode = "write-back"; destage_delay = "1h"; sequential = "none";'), $below"
serve_again
asked() { statistic fault hits; }

before=$(asked)
nbd '
part = 63 * 512
for i in range(500): h.pwrite(bytes([i % 251 + 1]) * 4096, part + i * 4096)
for i in range(500): h.pwrite(bytes([i % 250 + 2]) * 4096, part + (i * 7 % 500) * 4096)
h.flush()
'
assert_eq "$(asked)" "$before" "reads of the store for writes"
# each is one block: a block that straddles two would be dirty twice
assert_statistic cache dirty_bytes $((500 * 4096))
nbd 'for i in range(500): expect(h.pread(4096, 63 * 512 + (i * 7 % 500) * 4096), bytes([i % 250 + 2]) * 4096)'
assert_eq "$(asked)" "$before" "reads of the store for what had been written"
assert_statistic cache hits 500
assert_statistic cache misses 0
drain
assert_eq "$(asked)" "$before" "reads of the store for destage"

# what is read at first comes from the store, and from the pool at second
verb cache fill >/dev/null
read_them() { nbd 'for i in range(500): h.pread(4096, 63 * 512 + (2000 + i * 3) * 4096)'; }
read_them
assert_statistic cache misses 500
middle=$(asked)
assert_eq $((middle - before)) 500 "reads of the store for 500 of the guest"
read_them
assert_statistic cache hits 1000
assert_eq "$(asked)" "$middle" "reads of the store for what has been read"

# the whole disk is right, also its first block, which has one sector, and its last, which has 7
nbd '
h.pwrite(b"x" * 512, 0)
h.pwrite(b"y" * 4096, 512)
h.pwrite(b"z" * 512, (32 << 20) - 512)
expect(h.pread(4608 + 512, 0), b"x" * 512 + b"y" * 4096 + bytes(512))
expect(h.pread(1024, (32 << 20) - 1024), bytes(512) + b"z" * 512)
'
# the grid stays when the table of partitions goes, and after a restart
stop_gateway
serve_again
nbd 'h.pwrite(b"n" * 4096, 63 * 512)'
drain
cmp <(head -c 5120 "$disk") <(python3 -c 'print(end="x" * 512 + "y" * 4096 + "\0" * 512)') || fail "the store's beginning"
cmp <(tail -c 1024 "$disk") <(python3 -c 'print(end="\0" * 512 + "z" * 512)') || fail "the store's end"

# the other way round: without the shift each of these would have been a read
stop_gateway
configure "$(cached 'grid = "0"; mode = "write-back"; destage_delay = "1h";'), $below"
serve_again
before=$(asked)
nbd 'h.pwrite(b"n" * 4096, 63 * 512 + 4096 * 6000)
expect(h.pread(4096, 63 * 512 + 4096 * 6000), b"n" * 4096)'
assert_statistic cache dirty_bytes 8192
