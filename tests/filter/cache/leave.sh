#!/bin/bash
# leave.sh - a change that would separate a disk from its dirty blocks: is it refused, and does the old chain go on?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit
begin dirty
serve_again
# reload_refused WORDS
reload_refused() {
    if "$weirctl" reload >"$work/said" 2>&1; then fail "the change was taken: $1"; fi
    tr -s '\n ' '  ' <"$work/said" | grep -qF -- "$1" || fail "refused, and said: $(cat "$work/said")"
    assert_eq "$(state)" active "after a change that was refused"
    reads b 0 32
    assert_statistic cache dirty_bytes $((32 << 12))
    write_policy "$(cached "$options")"
    configure "$(cached "$options")"
    "$weirctl" reload >/dev/null
    reads b 0 32
}
# the policy without the cache
write_policy '{ filter = "inspection"; }'
reload_refused "empty it first (ctl verb drain)"
# another pool: by its file, and by its name
POOL_PATH=$work/other.pool configure "$(cached "$options")"
reload_refused "is not the one that holds blocks"
sed -i 's|^pools = (|& { name = "hdd"; path = "'"$work"'/hdd.pool"; size = "64M"; },|' "$work/weir.conf"
write_policy "{ filter = \"cache\"; pool = \"hdd\"; $options }"
reload_refused "is not the one that holds blocks"
# with a guest at work, whose writes all arrive
# and without its policy at the gateway's start: nobody can open the disk
stop_gateway
write_policy '{ filter = "inspection"; }'
serve_again
! nbdinfo "$url" >/dev/null 2>&1 || fail "the disk was opened without its cache"
stop_gateway
configure "$(cached "$options")"
serve_again
reads b 0 32
# drained, it may go
drain
write_policy '{ filter = "inspection"; }'
"$weirctl" reload >/dev/null
reads b 0 32
reads a 32 32
write d 0 8
# and come back: what was written meanwhile is not what the pool has
write_policy "$(cached "$options")"
"$weirctl" reload >/dev/null
reads d 0 8
kill_server
write_policy '{ filter = "inspection"; }'
serve_again
write e 0 8
stop_gateway
write_policy "$(cached "$options")"
serve_again
reads e 0 8 # stale blocks of the pool would be "d"
