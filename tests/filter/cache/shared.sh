#!/bin/bash
# shared.sh - two exports with one pool: does each have its own blocks, and its share?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=64M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
mkdir -p "$work/policies.d"
echo 'name = "q"; filters = ( '"$(cached 'mode = "write-back"; sequential = "none"; max = "25%";')"' );' >"$work/policies.d/q.conf"
EXPORTS_MORE=', { name = "vm2"; datastore = "disks"; image = "vm2"; size = "64M"; policy = "q"; }'
serve_cache "$(cached 'mode = "write-back"; sequential = "none"; min = "50%";')"
url2=$(uri vm2)
of() { ctl get "exports/$1/filters/@cache/stats/$2"; }
fill() { # URI BYTE: all of the disk
    nbdsh -u "$1" -c "for i in range(64): h.pwrite(b'$2' * (1 << 20), i << 20)" -c 'h.flush()'
}
settled() { [ "$(of vm1 dirty_bytes)" = 0 ] && [ "$(of vm2 dirty_bytes)" = 0 ]; }

fill "$url" a
fill "$url2" b
for e in vm1 vm2; do ctl set "exports/$e/filters/@cache/ctl" flush >/dev/null; done
wait_until 60 settled
[ "$(of vm2 clean_bytes)" -le $((17 << 20)) ] || fail "vm2 has $(of vm2 clean_bytes) bytes of 64 MiB: more than 25 %"
[ "$(of vm1 clean_bytes)" -ge $((30 << 20)) ] || fail "vm1 has $(of vm1 clean_bytes) bytes of 64 MiB: less than 50 %"
# vm2 alone goes on, and does not take what is vm1's
for word in c d e; do fill "$url2" $word; done
[ "$(of vm1 clean_bytes)" -ge $((30 << 20)) ] || fail "vm1 has only $(of vm1 clean_bytes) bytes left"
# each is itself
nbdcopy "$url" - | tr -d a | cmp - /dev/null || fail "vm1 has other bytes"
nbdcopy "$url2" - | tr -d e | cmp - /dev/null || fail "vm2 has other bytes"
[ "$(of vm1 occupancy_percent)" -le 100 ] || fail "occupancy"
# one goes, its policy without a cache, and the other keeps what it has
ctl set exports/vm2/filters/@cache/ctl detach >/dev/null
detached() { [ "$(of vm2 state)" = detached ]; }
wait_until 60 detached
before=$(of vm1 clean_bytes)
sed -i 's/policy = "q"; //' "$work/weir.conf"
"$weirctl" reload >/dev/null
nbdcopy "$url2" - | tr -d e | cmp - /dev/null || fail "vm2 without its cache"
[ "$(of vm1 clean_bytes)" -ge "$before" ] || fail "vm1 lost blocks when vm2 went"
# after a crash the blocks are still those of the right disk
kill_server
serve_again
nbdcopy "$url" - | tr -d a | cmp - /dev/null || fail "vm1 after a crash"
nbdcopy "$url2" - | tr -d e | cmp - /dev/null || fail "vm2 after a crash"
