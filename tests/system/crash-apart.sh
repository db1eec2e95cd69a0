#!/bin/bash
# crash-apart.sh - when a filter kills the gateway of one guest, do the disks of the others notice?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/mount/mount.sh"
requires fio nbdinfo qemu-io
[ -f "$plugin" ] || skip "needs the plugin"
cd "$work"

# gateway NAME: one guest's, with its own process, configuration, socket and image
gateway() {
    mkdir -p "$work/$1.d"
    echo 'filters = ( { filter = "fault"; ops = "flush"; rate = 0.0; }, { filter = "inspection"; } );' >"$work/$1.d/p.conf"
    cat >"$work/$1.conf" <<CONF
datastores = ( { name = "d-$1"; type = "file"; path = "$work"; } );
exports = ( { name = "$1"; datastore = "d-$1"; image = "$1.raw"; size = "16M"; policy = "p"; } );
include_policies = "$1.d";
CONF
    sock=$work/$1.sock
    start_gateway "$work/$1.conf" name="$1"
}
url() { printf 'nbd+unix:///%s?socket=%s' "$1" "$work/$1.sock"; }
node() { cat "$mnt/exports/$1/$2"; }
is() { [ "$(node "$1" "$2")" = "$3" ]; }
writes() { node "$1" stats/write/requests; }

for name in good-1 good-2 bad; do gateway $name; done
bad=$gateway_pid
start_weirfs
for name in good-1 good-2 bad; do
    wait_until 60 is $name state active
    qemu-io -f raw "$(url $name)" -c 'write -P 7 0 1M' -c flush >/dev/null
done

# guests that write and check, until they are told to end
for name in good-1 good-2; do
    spawn "load-$name" fio --name=load --ioengine=nbd --uri="$(url $name)" --rw=randwrite --offset=1m --size=8m --bs=4k \
        --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 --loops=1000 --fsync=32 --time_based --runtime=6
    loads+=("$pid")
done
before=$(writes good-1)
more() { [ "$(writes good-1)" -gt "$((before + 100))" ]; }
wait_until 60 more

# the filter of one of them kills its process, in the flush of its guest
echo after | tee "$mnt"/exports/bad/filters/*-fault/options/crash >/dev/null
echo 100% | tee "$mnt"/exports/bad/filters/*-fault/options/rate >/dev/null
! qemu-io -f raw "$(url bad)" -c 'write -P 8 1M 1M' -c flush >"$work/died.log" 2>&1 || fail "nothing has crashed"
ended() { ! alive "$bad"; }
wait_until 60 ended
wait "$bad" && status=0 || status=$?
assert_eq $status 137 "the gateway of the bad filter ended with"

# the mount says so of this one, and goes on for the others
wait_until 60 grep -qx dead "$mnt/gateways/bad/state"
assert_eq "$(cat "$mnt"/gateways/good-{1,2}/state | xargs)" "running running" "the other gateways"
! node bad state >"$work/said" 2>&1 || [ "$(cat "$work/said")" != active ] || fail "a dead disk is shown as active"
before=$(writes good-1)
wait_until 60 more # under load, still
assert_eq "$(node good-1 state) $(node good-2 compliance)" "active compliant" "the other disks"
for load in "${loads[@]}"; do
    wait "$load" || fail "a guest of another gateway got an error, or other bytes than it wrote"
done
for name in good-1 good-2; do
    assert_eq "$(node $name stats/write/errors) $(node $name stats/flush/errors)" "0 0" "the errors of $name"
done

# started again it has its disk, with what was flushed, and the mount has it, too
sed -i 's/ops = /crash = "none"; ops = /' "$work/bad.d/p.conf"
rm -rf "$WEIR_STATE"/overrides "$work"/overrides.d # the option that was set live is kept: that is what crashed
gateway bad
wait_until 60 is bad state active
qemu-io -f raw "$(url bad)" -c 'read -P 7 0 1M' -c 'read -P 8 1M 1M' >"$work/read.log"
! grep 'Pattern verification failed' "$work/read.log" || fail "what was flushed before the crash is gone"
grep -qx running "$mnt/gateways/bad/state" || fail "the mount does not know that it is back"
