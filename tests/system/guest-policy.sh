#!/bin/bash
# guest-policy.sh - can an administrator watch and change a guest's disk while it writes?
# SPDX-License-Identifier: BSD-3-Clause
#
# The whole road: nbdkit weir, weirfs, a guest; live statistics; a policy edited by sed -i.
. "$WEIR_SOURCE/tests/system/system.sh"
requires fusermount3 e2fsck
needs_weir
[ -c /dev/fuse ] || skip "needs /dev/fuse"
prepare_guest
policy gold '{ filter = "pass"; }'
disk vm 256M gold
serve

fs=$work/fs
mkdir "$fs"
spawn weirfs "$weirfs" -f -o timeout=60000 "$fs"
weirfs_pid=$pid
cleanup_fn 'fusermount3 -u -z "$fs" 2>/dev/null'
wait_until 60 test -d "$fs/exports/vm"
export_folder=$fs/exports/vm
assert_eq active "$(cat "$export_folder/state")" state
assert_eq compliant "$(cat "$export_folder/compliance")" compliance

mapfile -t qemu < <(qemu_disk vm)
start_guest -t 1200 "$guest_folder" "$here/guest/jobs/busy.sh" vda -- "${qemu[@]}"
rounds() { grep -ac '^ROUND' "$work/guest.log"; }
goes_on() { [ "$(rounds)" -gt $(($1 + 2)) ]; }
guest_goes_on() {
    local before
    before=$(rounds)
    wait_until 60 goes_on "$before"
}
writes() { cat "$export_folder/stats/write/requests"; }
chain() { (cd "$export_folder/filters" && echo [0-9]*) | sed 's/[0-9]*-//g'; }
guest_says 600 'ROUND 1'

# Statistics are live.
before=$(writes)
guest_goes_on
[ "$(writes)" -gt "$before" ] || fail "the guest writes, and the statistics do not show it"
[ "$(cat "$export_folder/stats/write/bytes")" -gt $((before * 512)) ] || fail "bytes written"
assert_eq 0 "$(cat "$export_folder/stats/write/errors")" "errors"

# A filter comes by an edit of the policy …
assert_eq pass "$(chain)" "the chain before"
sed -i 's/filters = (.*/filters = ( { filter = "pass"; }, { filter = "inspection"; } );/' "$fs/policies/gold"
assert_eq 'pass inspection' "$(chain | xargs -n1 | sort -r | xargs)" "the chain with inspection"
assert_eq compliant "$(cat "$export_folder/compliance")" "compliance after the edit"
guest_goes_on
place=$(cd "$export_folder/filters" && echo [0-9]*-inspection)
grep -q write "$export_folder/filters/$place/stats/trace" || fail "inspection saw no write"

# … a mistake changes nothing …
if sed -i 's/"inspection"/"inspektion"/' "$fs/policies/gold" 2>"$work/sed.log"; then
    fail "a policy with an unknown filter was taken"
fi
assert_eq 'pass inspection' "$(chain | xargs -n1 | sort -r | xargs)" "the chain after a mistake"
guest_goes_on

# … and the filter goes the same way, and stays gone when the gateway starts again.
sed -i 's/, { filter = "inspection"; }//' "$fs/policies/gold"
assert_eq pass "$(chain)" "the chain after"
guest_goes_on
type_to_guest stop
finish_guest
check_filesystem ext4 "$disks/vm"
stop_gateway
wait_until 60 test ! -d "$export_folder"
serve
wait_until 60 test -d "$export_folder"
assert_eq pass "$(chain)" "the chain after a restart"
grep -q 'filter = "pass"' "$work/policies.d/gold.conf" || fail "the file on disk is not the edited one"
kill -0 "$weirfs_pid" || fail "weirfs ended"
