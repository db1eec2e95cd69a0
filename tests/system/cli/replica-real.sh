#!/usr/bin/env bash
# replica-real.sh - does a real disk do what weirctl tells it: copy, compare, and say what changed?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdkit nbdsh nbdcopy nbdinfo qemu-img qemu-nbd truncate
mkdir "$work/disks" "$work/policies.d"
cat >"$work/policies.d/far.conf" <<EOF
name = "far";
filters = ( { filter = "replication"; target = "nbd+unix:///?socket=$work/far.sock"; target_type = "plain";
              reconnect_delay = "100ms"; } );
EOF
cat >"$work/policies.d/lone.conf" <<EOF
name = "lone";
filters = ( { filter = "replication"; target = "nbd+unix:///?socket=$work/nobody"; } );
EOF
cat >"$work/weir.conf" <<EOF
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "far"; },
            { name = "db/log"; datastore = "disks"; image = "log"; size = "1M"; policy = "lone"; } );
include_policies = "policies.d";
EOF
truncate -s 32M "$work/far"
spawn far nbdkit -f -U "$work/far.sock" file "$work/far"
wait_until 60 listens "$work/far.sock"
nbd() { nbdsh -u "$(uri vm1)" -c "$1"; }
state() { "$weirctl" --json replica status vm1 | grep -qE "\"state\":\"$1\""; }
figure() { "$weirctl" --json replica status vm1 | grep -oE "\"$1\":[0-9]+" | cut -d: -f2; }
start_gateway "$work/weir.conf" name=one

# ---- it is sent, and status says how far it is
nbd 'h.pwrite(b"\x5a" * 65536, 4 << 20); h.flush()'
wait_until 60 state streaming
expect 0 replica status
grep -qE "^vm1 +source +streaming .* 0 B +- +nbd\+unix:///\?socket=$work/far.sock$" <<<"$out" || fail "$out"
same() { "$weirctl" --json replica status vm1 | grep -q '"lag_bytes":0' && cmp "$work/disks/vm1" "$work/far"; }
wait_until 60 same
expect 0 replica mark vm1 before-upgrade
says "restore point before-upgrade is LSN"
expect 0 replica verify vm1
says "0 granules of 64 KiB differed"
expect 4 replica failover vm1 --planned
complains '"vm1" cannot be handed over: nbd+unix:///'

# ---- a disk whose name has a slash
expect 0 replica status db/log
says "db/log"
expect 0 export option db/log replication mode sync
expect 0 export option db/log replication mode
assert_eq "$out" sync

# ---- what was lost there is sent again
truncate -s 0 "$work/far"
truncate -s 32M "$work/far"
expect 0 replica resync vm1 --all --dry-run
says '32 MiB of "vm1" would be sent'
expect 0 replica resync vm1 --all
wait_until 60 same

# ---- detached, only the list grows; attached, it is worked off
expect 0 replica detach vm1
says "the group vm1 sends nothing any more"
nbd 'h.pwrite(b"\xa5" * 65536, 8 << 20); h.flush()'
expect 0 replica status vm1
says detached
! cmp -s "$work/disks/vm1" "$work/far" || fail "it was sent all the same"
expect 1 replica resync vm1
complains "it gets no further: it is detached"
expect 0 replica attach vm1
wait_until 60 state streaming
wait_until 60 same

# ---- what changed since a checkpoint, and since another
expect 0 changes vm1 --checkpoint
first=$out
[[ $first =~ ^[0-9a-f]{32}:[0-9]+$ ]] || fail "no ID: $first"
expect 0 changes vm1 --since="$first"
assert_eq "$out" ""
nbd 'h.pwrite(b"\x11" * 512, 9 << 20); h.trim(65536, 16 << 20)'
expect 0 changes vm1 --since="$first" --checkpoint
second=$(head -1 <<<"$out")
[ "$second" != "$first" ] || fail "the checkpoint is the one before"
assert_eq "$(tail -n +2 <<<"$out")" "\
9437184 65536
16777216 65536"
nbd 'h.pwrite(b"\x22" * 131072, (31 << 20) - 1); h.flush()'
expect 0 changes vm1 --since="$second"
assert_eq "$out" "32440320 196608"
expect 3 changes vm1 --since=00112233445566778899aabbccddeeff:1
complains "is of another map"
expect 4 changes vm1 --since=yesterday
complains "is no ID"

# ---- as the bitmap of a file without data, read through the gateway
expect 0 changes vm1 --since="$first" --qcow2="$work/shim"
qemu-img check -q -f qcow2 "$work/shim" || fail "$(qemu-img check "$work/shim" 2>&1)"
spawn qemu-nbd qemu-nbd -r -t -f qcow2 -B "weir-since-$first" -k "$work/shim.sock" "$work/shim"
shim=$pid
wait_until 60 listens "$work/shim.sock"
nbdinfo --map="qemu:dirty-bitmap:weir-since-$first" "nbd+unix:///?socket=$work/shim.sock" >"$work/map"
assert_eq "$(awk '$3 == 1 { print $1, $2 }' "$work/map")" "\
9437184 65536
16777216 65536
32440320 196608"
nbdcopy "nbd+unix:///?socket=$work/shim.sock" - | cmp - "$work/disks/vm1" || fail "it reads otherwise"
stop_pid "$shim"

# ---- the list survives kill -9: it may say too much, never too little
kill_server
start_gateway "$work/weir.conf" name=one
expect 0 --json changes vm1 --since="$first"
json 'all(any(e["offset"] <= at and at + 65536 <= e["offset"] + e["length"] for e in d["extents"])
    for at in (9437184, 16777216, 32440320, 32440320 + 131072))'
wait_until 60 state streaming
wait_until 60 same
