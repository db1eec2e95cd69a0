#!/bin/bash
# fails.sh - the store fails while blocks are destaged: what does the guest see, what becomes of the blocks?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit
below='{ filter = "fault"; ops = "write"; rate = 0; }'
for what in "EIO write" "ENOSPC flush"; do
    read -r error op <<<"$what"
    rm -rf "$pool" "$disk" "$work/state/exports"
    serve_cache "$(cached 'mode = "write-back"; destage_delay = "50ms"; sequential = "none";'), $below"
    write a
    drain
    verb cache fill >/dev/null
    option fault ops "$op"
    option fault error "$error"
    option fault rate 100%
    # the guest does not notice, and reads what it wrote
    write b 0 32
    failing() { statistic cache state | grep -q "destage fails: "; }
    wait_until 60 failing
    assert_said "destage failed: "
    reads b 0 32
    write c 2100 8
    reads c 2100 8
    assert_dirty
    # past the pool it would not get either, and is told so
    option cache mode write-through
    nbd "expect(error(h.pwrite, b'x' * 4096, 0), '$error')"
    reads b 0 1
    option cache mode write-back
    # a restart, killed or not, changes nothing (what was set stands in the policy)
    if [ "$op" = write ]; then stop_gateway; else kill_server; fi
    serve_again
    assert_dirty
    reads b 0 32
    # it recovers
    option fault rate 0%
    wait_until 60 is_clean
    right
done

# live: it goes on by itself when the store does
rm -rf "$pool" "$disk" "$work/state/exports"
serve_cache "$(cached 'mode = "write-back"; destage_delay = "50ms"; sequential = "none";'), $below"
write a
drain
verb cache fill >/dev/null
option fault error EIO
option fault rate 100%
write b 0 32
wait_until 60 failing
# full: when nothing more can be dirty the guest is told, and nothing is lost
nbd "
seen = [error(h.pwrite, b'f' * (1 << 20), i << 20) for i in range(1, 16)]
print(seen)
assert 'EIO' in seen, seen
expect(set(seen) - {'EIO', 'none'}, set())
"
reads b 0 32
option fault rate 0%
wait_until 60 is_clean
assert_said "destage goes on"
assert_state write-back
right
