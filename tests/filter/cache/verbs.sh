#!/bin/bash
# verbs.sh - what does each verb do, and what does it refuse?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h";')"
write() { nbd "for i in range(64): h.pwrite(b'$1' * 4096, i << 12)"; }
dirty=$((64 << 12))
in_store() { cmp -s <(head -c $dirty "$disk") <(head -c $dirty /dev/zero | tr '\0' "$1"); }
reads() { nbd "expect(h.pread($dirty, 0), b'$1' * $dirty)"; }

# flush: what is dirty goes to the store now, and the mode stays
write a
assert_statistic cache dirty_bytes $dirty
verb cache flush
wait_until 60 is_clean
in_store a || fail "flush: it is not in the store"
assert_statistic cache state write-back
assert_statistic cache clean_bytes $dirty

# drain: the same, and nothing becomes dirty until fill
write b
verb cache drain
wait_until 60 is_whole
in_store b || fail "drain: it is not in the store"
assert_statistic cache mode write-through
write c
in_store c || fail "drained: a write did not go through"
assert_statistic cache dirty_bytes 0
verb cache fill
assert_statistic cache mode write-back
write d
assert_statistic cache dirty_bytes $dirty
reads d

# invalidate: only what the store has, too
verb cache flush
wait_until 60 is_clean
nbd 'h.pwrite(b"e" * 4096, 0)'
verb cache invalidate
assert_statistic cache clean_bytes 0
assert_statistic cache dirty_bytes 4096
misses=$(statistic cache misses)
nbd "expect(h.pread($dirty, 0), b'e' * 4096 + b'd' * ($dirty - 4096))"
assert_eq $(($(statistic cache misses) - misses)) 63 "misses after invalidate"

# detach: nothing is left in the pool, and nothing comes there
verb cache detach
wait_until 60 is_whole
assert_statistic cache state detached
nbd "h.pread($dirty, 0); h.pwrite(b'f' * 4096, 0); h.pread($dirty, 0)"
assert_statistic cache clean_bytes 0
verb cache fill
nbd "expect(h.pread($dirty, 0), b'f' * 4096 + b'd' * ($dirty - 4096))"
assert_statistic cache clean_bytes $dirty

# not these
refused "flush now" "expected nothing after the verb"
refused "discard yes" "nothing is to be given up"
refused "discard" 'say "discard yes"'

# what one asks for does not outlive the gateway
verb cache drain
stop_gateway
serve_again
assert_statistic cache mode write-back
nbd "expect(h.pread($dirty, 0), b'f' * 4096 + b'd' * ($dirty - 4096))"
