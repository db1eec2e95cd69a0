#!/bin/bash
# burst.sh - does a burst of writes stay in the pool for as long as it may, where only the log has to be cleared for it?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=64M POOL_SIZE=384M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h"; sequential = "none";')"

# burst BLOCKS: as fast as it goes
burst() {
    nbd '
import os
data = nbd.Buffer.from_bytearray(bytearray(os.urandom(65536)))
for i in range('"$1"' // 16):
    while h.aio_in_flight() > 16:
        h.poll(-1)
    h.aio_pwrite(data, i << 16)
while h.aio_in_flight():
    h.poll(-1)
'
}
for _ in $(seq 12); do
    burst 2048
    assert_statistic cache dirty_bytes $((2048 * 4096))
    verb cache flush >/dev/null
    wait_until 60 is_clean
done
[ "$(statistic cache pool_written_bytes)" -gt $((64 << 20)) ] || fail "the log has not been gone through"
