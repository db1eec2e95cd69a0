#!/bin/bash
# cut.sh - the pool's file is cut while it is used: is a wrong byte read, and does the guest go on?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit
begin dirty
serve_again
nbd "h.pread(1 << 20, 8 << 20)"
truncate -s 1M "$pool"
# what the store has is read from there; what it has not is gone, and the guest is told
reads z 2048 256
reads a 32 32
nbd "
for i in range(32): expect(error(h.pread, 4096, i << 12), 'EIO')
expect(error(h.pread, 65536, 0), 'EIO')"
[ "$(statistic cache pool_errors)" -gt 0 ] || fail "no pool_errors"
# what is written again is whole again, wherever it lies now
write b 0 32
reads b 0 32
verb cache flush >/dev/null
wait_until 60 is_clean
in_store b 0 32 || fail "the store lacks what was written again"
reads a 32 32
verb cache drain >/dev/null
wait_until 60 is_whole
stop_gateway
# a file that has been cut is no pool any more, but does no harm now
serve_again
assert_state "has been cut"
reads b 0 32
reads a 32 32
stop_gateway
rm "$pool"
serve_again
assert_state write-back
reads b 0 32
