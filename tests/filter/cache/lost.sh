#!/bin/bash
# lost.sh - the pool is not there, or another one, or that of another disk: what is served, what is locked?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit

# gone, with nothing dirty: a new one is made
begin clean
rm "$pool"
serve_again
assert_state write-back
assert_statistic cache recovered_blocks 0
right

# gone, with dirty blocks: locked; brought back, it goes on
begin dirty
mv "$pool" "$work/away"
serve_again
assert_locked "is not the one that holds blocks of this disk"
"$weirctl" status 2>&1 | tr -s " \n" "  " | grep -q "Bring that one back" || fail "status: $("$weirctl" status)"
refused fill "is not the one that holds blocks of this disk"
assert_eq "$(state)" locked "after a fill that cannot be"
mv "$work/away" "$pool"
verb cache fill >/dev/null
right

# or it is given up
begin dirty
rm "$pool"
serve_again
assert_locked "is not the one that holds blocks of this disk"
given_up

# its folder is gone: there is no way to make one
begin clean
POOL_PATH=$work/gone/ssd.pool configure "$(cached "$options")"
mkdir "$work/gone"
mv "$pool" "$work/gone/ssd.pool"
serve_again
right
mv "$work/gone" "$work/gone2"
serve_again
without2() { assert_state "no pool: "; reads b 0 32; reads c 40 8; }
without2
write d 0 8 # past a pool that has "b" there, and does not know
mv "$work/gone2" "$work/gone"
verb cache fill >/dev/null
assert_state write-back
reads d 0 8
reads b 8 24
stop_gateway
serve_again
reads d 0 8
kill_server # and when the gateway dies meanwhile
mv "$work/gone" "$work/gone2"
serve_again
without2_d() { assert_state "no pool: "; }
without2_d
write e 0 8
kill_server
mv "$work/gone2" "$work/gone"
serve_again
reads e 0 8
stop_gateway
rm -rf "$work/gone"

# swapped with another disk's
rm -rf "$pool" "$disk" "$work/state/exports"
mkdir -p "$work/policies.d" "$work/disks"
rm "$work"/policies.d/p.conf
for i in 1 2; do
    echo 'name = "p'$i'"; filters = ( { filter = "cache"; pool = "ssd'$i'"; '"$options"' } );' >"$work/policies.d/p$i.conf"
done
cat >"$work/weir.conf" <<END2
pools = ( { name = "ssd1"; path = "$work/ssd1"; size = "64M"; }, { name = "ssd2"; path = "$work/ssd2"; size = "64M"; } );
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "16M"; policy = "p1"; },
            { name = "vm2"; datastore = "disks"; image = "vm2"; size = "16M"; policy = "p2"; } );
include_policies = "policies.d";
END2
serve_again
url=$(uri vm1); write x
url=$(uri vm2); write y
stop_gateway
swap() { mv "$work/ssd1" "$work/ssd"; mv "$work/ssd2" "$work/ssd1"; mv "$work/ssd" "$work/ssd2"; }
swap
serve_again
for e in vm1 vm2; do assert_eq "$(ctl get exports/$e/state)" locked "$e with the pool of another disk"; done
stop_gateway
swap
serve_again
url=$(uri vm1); reads x
url=$(uri vm2); reads y
