# pools.sh - a disk with a pool that the tests then spoil.  Sourced instead of cache.sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
SIZE=${SIZE:-16M}
. "$WEIR_SOURCE/tests/filter/cache/cache.sh"
count=64
# write BYTE [FIRST [COUNT]]: blocks, flushed
write() { nbd "for i in range(${2:-0}, ${2:-0} + ${3:-$count}): h.pwrite(b'$1' * 4096, i << 12)
h.flush()"; }
# reads BYTE [FIRST [COUNT]]
reads() { nbd "
got = h.pread(${3:-$count} << 12, ${2:-0} << 12)
assert got == b'$1' * (${3:-$count} << 12), f'{bytes(got[:4])}, {bytes(got[-4:])}'"; }
in_store() { cmp -s <(dd if="$disk" bs=4096 skip="${2:-0}" count="${3:-$count}" status=none) <(head -c $((${3:-$count} << 12)) /dev/zero | tr '\0' "$1"); }
options='mode = "write-back"; destage_delay = "1h"; sequential = "none";'
# begin clean|dirty: 64 blocks of "a" that pool and store have, and of "b" over the first half that
# the pool alone has, or both; the gateway has been stopped
begin() {
    rm -rf "$pool" "$disk" "$work/state/exports"
    serve_cache "$(cached "$options")"
    write a
    write z 2048 256
    drain
    verb cache invalidate >/dev/null
    nbd "h.pread($count << 12, 0); h.pread(1 << 20, 8 << 20)" # into slots
    verb cache fill >/dev/null
    write b 0 32
    [ "$1" = dirty ] || drain
    [ "$1" = clean ] || assert_statistic cache dirty_bytes $((32 << 12))
    stop_gateway
}
# right: nothing is lost, the disk can be written, and the store has all in the end
right() {
    assert_eq "$(state)" active "the state of the export"
    reads b 0 32
    reads a 32 32
    write c 40 8
    reads c 40 8
    drain
    in_store b 0 32 || fail "the store lacks what the pool had"
    in_store a 32 8 || fail "the store lacks what it had"
    in_store c 40 8 || fail "the store lacks what was written since"
    stop_gateway
}
# given_up: the disk is as its store had it
given_up() {
    refused discard 'say "discard yes"'
    verb cache discard >/dev/null 2>&1 && fail "discard without yes"
    verb cache "discard yes" >/dev/null
    assert_eq "$(state)" active "the state of the export, discarded"
    assert_said "given up"
    reads a
    write c 40 8
    drain
    in_store a 0 40 || fail "the store, discarded"
    stop_gateway
    serve_again # it is over
    assert_state write-back
    reads c 40 8
    stop_gateway
}
# without WORDS: served without the pool, and says why
without() {
    assert_eq "$(state)" active "the state of the export"
    assert_state "$1"
    assert_said "served without the pool ssd"
    assert_statistic cache pool none
    reads b 0 32
    reads a 32 32
}
