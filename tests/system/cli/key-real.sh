#!/usr/bin/env bash
# key-real.sh - do the keys of a disk change while it works, so that cryptsetup opens it with the new one?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
PATH=/usr/bin:$PATH:/usr/sbin:/sbin # the python of the distribution has the nbd module
requires nbdkit nbdsh cryptsetup
mkdir "$work/disks" "$work/policies.d"
new_key() { (umask 077 && printf '%s' "$2" >"$work/$1"); }
new_key old "the old passphrase"
new_key new "the new passphrase"
new_key more "one passphrase more"
cat >"$work/policies.d/sealed.conf" <<EOF
name = "sealed";
filters = ( { filter = "encryption"; key = "file:$work/old"; pbkdf = "pbkdf2"; pbkdf_time = "1ms"; } );
EOF
cat >"$work/weir.conf" <<EOF
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "24M"; policy = "sealed"; },
            { name = "vm2"; datastore = "disks"; image = "vm2"; size = "24M"; policy = "sealed"; } );
include_policies = "policies.d";
EOF
opens() { cryptsetup open -q --test-passphrase --key-file "$work/$1" "$work/disks/vm1"; }
nbd() { nbdsh -u "$(uri vm1)" -c "$1"; }
truncate -s 24M "$work/disks/vm2"
printf x | dd of="$work/disks/vm2" bs=1 seek=$((20 << 20)) conv=notrunc status=none
cp "$work/disks/vm2" "$work/vm2.before"
start_gateway "$work/weir.conf" name=one

# ---- empty disks are locked until one asks to format them; one that holds anything never is
expect 0 --json key status
json '[(e["export"], e["state"], e["cipher"]) for e in d["keys"]] == [("vm1", "locked", "none"), ("vm2", "locked", "none")]'
expect 0 key status vm1
says "why: the disk has no LUKS header"
expect 4 key format vm2
complains "byte $((20 << 20)) is not zero"
cmp "$work/disks/vm2" "$work/vm2.before" || fail "a disk that holds something was changed"
expect 0 key format vm1
says "formatted and unlocked by key slot 0"
expect 4 key format vm1
complains "has a LUKS header, and is not formatted a second time"
opens old || fail "cryptsetup does not open what was formatted"
nbd 'h.pwrite(b"\x5a" * 65536, 1 << 20)'

# ---- a key slot more, and less; never the one that is needed; nothing of a secret is repeated
expect 0 key add vm1 "file:$work/more"
opens more || fail "the added key does not open the disk"
expect 0 --json key status vm1
json '[e["slot"] for e in d["keys"][0]["slots"]] == [0, 1] and d["keys"][0]["sector_size"] == 4096'
json '"opened the disk" in d["keys"][0]["slots"][0]["about"] and d["keys"][0]["key"] == "file:'"$work"'/old"'
expect 4 key remove vm1 0
complains "key slot 0 is the one that the option key opens"
expect 0 key remove vm1 1
! opens more 2>/dev/null || fail "the removed key opens the disk"
expect 3 key add vm1 "file:$work/missing"
complains "$work/missing"
expect 2 key add vm1 "the new passphrase"
expect 4 export option vm1 encryption key "the new passphrase"
! grep -q passphrase <<<"$err$out$(cat "$work/gateway.log")" || fail "a secret is repeated"

# ---- rekey, under I/O; the option is kept
spawn load nbdsh -u "$(uri vm1)" -c '
while True:
    h.pwrite(b"\xa5" * 4096, 0)
    assert h.pread(4096, 0) == b"\xa5" * 4096'
load=$pid
expect 3 key rekey vm1 "file:$work/missing"
expect 0 export option vm1 encryption key
assert_eq "$out" "file:$work/old" "the option after a rekey that was refused"
expect 0 key rekey vm1 "file:$work/new"
says "key slot 0 is removed; the disk opens by key slot 1"
opens new || fail "the new key does not open the disk"
! opens old 2>/dev/null || fail "the old key still opens the disk"
expect 0 export option vm1 encryption key
assert_eq "$out" "file:$work/new"
expect 0 key rekey vm1 "file:$work/new" # again: there is nothing to do
kill -0 "$load" || fail "the load ended: $(cat "$work/load.log")"
stop_pid "$load"

# ---- lock and unlock
expect 0 key lock vm1
says "the key is wiped"
expect 0 key status vm1
says "state: locked"
! nbd 'h.pread(512, 0)' 2>/dev/null || fail "a locked disk was read"
expect 4 key remove vm1 1
complains "key slot 1 is the one that the option key opens"
mv "$work/new" "$work/away"
expect 3 key unlock vm1
complains "$work/new"
(umask 077 && echo wrong >"$work/new")
expect 4 key unlock vm1 # refused, not failed
complains "key slot"
mv "$work/away" "$work/new"
expect 0 key unlock vm1
says "unlocked by key slot 1"
nbd 'assert h.pread(65536, 1 << 20) == b"\x5a" * 65536'

# ---- the next gateway asks for the new key
stop_gateway
start_gateway "$work/weir.conf" name=one
nbd 'assert h.pread(65536, 1 << 20) == b"\x5a" * 65536; assert h.pread(4096, 0) == b"\xa5" * 4096'
expect 0 --json key status
json 'd["keys"][0]["state"] == "unlocked" and d["keys"][0]["key"] == "file:'"$work"'/new"'
