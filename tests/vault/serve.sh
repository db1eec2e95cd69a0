#!/bin/bash
# serve.sh - do clients of a gateway get the disks of a vault as they were?
# SPDX-License-Identifier: BSD-3-Clause
#
# A source sends frames to log:db, as an NBD client does; others open its disks at points.
. "$WEIR_SOURCE/tests/vault/vault.sh"
requires nbdcopy nbdsh jq

start_vault vm1=db/vm1 typo=dbb/vm1

# bytes EXPORT OFFSET…: the byte at each, in decimal
bytes() {
    local export=$1; shift
    nbdsh -u "$(uri "$export")" -c "print(*[h.pread(1, at)[0] for at in map(int, '$*'.split())])"
}
# refused EXPORT WORDS: it cannot be opened, and the log says why
refused() {
    ! nbdinfo "$(uri "$1")" >/dev/null 2>&1 || fail "$1 can be opened"
    wait_until 60 grep -q "$2" "$work/gateway.log"
}
# extents EXPORT: "TYPE LENGTH", one a line
extents() { nbdinfo --map --json "$(uri "$1")" | jq -r '.[] | "\(.type) \(.length)"'; }

echo "== a source sends two disks, and goes on"
refused vm1@latest 'the vault .* has no group \\"\?db'
assert_eq "$(send disk:0:vm1:1048576 disk:1:vm2:65536 write:0:0:65536:1 write:1:0:4096:1 mark:first send)" 5
assert_eq "$(send write:0:4096:4096:2 zero:0:8192:4096 mark:second send write:0:0:512:3 send)" 9
assert_eq "$(value received_lsn) $(value applied_lsn) $(value lag)" "9 9 0"
assert_eq "$(value role) $(value state) $(value restore_points)" "target receiving 2"

echo "== each point is the disk as it was"
assert_eq "$(bytes vm1@rp:first 0 4096 8192 65535 65536)" "1 1 1 1 0"
assert_eq "$(bytes vm1@rp:second 0 4096 8192 65535 65536)" "1 2 0 1 0"
assert_eq "$(bytes vm1@lsn:6 0 4096 8192)" "1 2 1"
assert_eq "$(bytes vm1@latest 0 4096 8192)" "3 2 0"
assert_eq "$(extents vm1@rp:second | tail -n 1)" "3 983040"

echo "== and says what has changed since another"
assert_eq "$(extents "vm1@rp:second,changes:rp:first")" "$(printf '%s\n' "1 4096" "0 4096" "2 4096" "1 1036288")"
assert_eq "$(extents "vm1@changes:lsn:8")" "$(printf '%s\n' "0 512" "1 1048064")"
assert_eq "$(extents "vm1@latest,changes:lsn:8")" "$(printf '%s\n' "0 512" "1 1048064")"

echo "== what is written to one is its own, and goes with it"
nbdsh -u "$(uri vm1@rp:first+test)" -c 'h.pwrite(b"\x09" * 100, 4000); h.flush()'
assert_eq "$(bytes vm1@rp:first+test 3999 4000 4096 4100)" "1 9 9 1"
assert_eq "$(bytes vm1@rp:first 4000)" 1
! nbdsh -u "$(uri vm1@rp:first)" -c 'h.pwrite(b"x", 0)' 2>/dev/null || fail "a point was written"
"$weirctl" export close vm1@rp:first+test >/dev/null
assert_eq "$(bytes vm1@rp:first+test 4000)" 1
"$weirctl" export close vm1@rp:first+test >/dev/null
! find "$work/vault" -name 'scratch*' | grep . || fail "a scratch file has a name"

echo "== mistakes have a sentence"
refused vm1@rp:frist 'did you mean rp:first?'
refused vm1@lsn:10 'history, which goes from lsn:5 to lsn:9'
refused vm1@lsn:2 'lsn:2 is not in the history'
refused vm1@newest 'is no restore point: write latest'
refused typo@latest 'has no group \\"\?dbb'
refused vm1 'is locked' # not promoted

echo "== a kill takes nothing"
kill_server
start_gateway "$work/weir.conf"
assert_eq "$(bytes vm1@rp:first 0 4096 8192) $(bytes vm1@latest 0 4096 8192)" "1 1 1 3 2 0"
assert_eq "$(send write:0:0:512:4 mark:third send)" 11
assert_eq "$(bytes vm1@rp:second 0) $(bytes vm1@rp:third 0) $(bytes vm1@latest 0)" "1 4 4"

echo "== a set is one step"
assert_eq "$(send write:0:0:512:5 part write:0:512:512:5 mark:inside part)" 14
assert_eq "$(bytes vm1@latest 0 512)" "4 1"
assert_eq "$(send write:0:1024:512:5 mark:whole send)" 16
assert_eq "$(bytes vm1@latest 0 512 1024) $(bytes vm1@rp:third 0 512 1024)" "5 5 5 4 1 1"
refused vm1@rp:inside 'no restore point named'
refused vm1@lsn:13 'the nearest states are lsn:11 and lsn:16'

echo "== the site is promoted at a point"
"$weirctl" replica failover db --point=rp:second >"$work/failover" || fail "$(cat "$work/failover")"
assert_eq "$(value role)" primary
assert_eq "$(bytes vm1 0 4096 8192 65535 65536)" "1 2 0 1 0"
! send write:0:0:512:6 send 2>/dev/null || fail "a primary took frames"
nbdsh -u "$(uri vm1)" -c 'h.pwrite(b"\x07" * 512, 0); h.flush()'
assert_eq "$(bytes vm1 0 512) $(bytes vm1@rp:third 0)" "7 1 4"
