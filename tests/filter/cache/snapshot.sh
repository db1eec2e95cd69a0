#!/bin/bash
# snapshot.sh - is all that is dirty in the store before a snapshot of it is taken?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h";')"
nbd 'for i in range(16): h.pwrite(b"\x37" * 65536, i << 20)'
assert_dirty

# Not every file system can do it: by then the filters have prepared for it.
timeout 60 "$weirctl" export snapshot vm1 s1 >"$work/said" 2>&1 || grep -q 'cannot be snapshot' "$work/said" ||
    fail "no snapshot: $(cat "$work/said")"
assert_statistic cache dirty_bytes 0
stored=$(dd if="$disk" bs=1M skip=7 count=1 status=none | head -c 65536 | tr -d '\067' | wc -c)
assert_eq "$stored" 0 "bytes of the store that are not what was written"

# The disk goes on, and destages by itself again.
nbd 'h.pwrite(b"\x38" * 65536, 0)'
assert_dirty
option cache destage_delay 0
wait_until 60 is_clean

# While its store fails it is refused, and the guest goes on.
write_policy "$(cached 'mode = "write-back"; destage_delay = "1h";'), { filter = \"fault\"; ops = \"write\"; error = \"EIO\"; }"
"$weirctl" reload >/dev/null
nbd 'h.pwrite(b"\x39" * 65536, 0)'
! timeout 60 "$weirctl" export snapshot vm1 s2 2>"$work/said" || fail "a snapshot without what the pool holds"
grep -q 'does not reach its store' "$work/said" || fail "$(cat "$work/said")"
nbd 'expect(h.pread(512, 0), b"\x39" * 512)'
