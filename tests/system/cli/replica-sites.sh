#!/usr/bin/env bash
# replica-sites.sh - do the runbooks of weir-failover(7) work, between two gateways?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
. "$WEIR_SOURCE/tests/system/cli/two-hosts.sh"
requires nbdkit nbdsh nbdcopy
two_hosts vm1 vm2

begin b
begin a
fill "$(uri vm1)" 11 4
wait_until 60 in_step vm1
expect 0 replica mark vm1 before-upgrade
fill "$(uri vm1)" 22 4
wait_until 60 in_step vm1

# ---- the target has it, with its points, and serves nothing
at b
expect 0 replica status vm1
grep -qE '^log:vm1 +target +receiving ' <<<"$out" || fail "$out"
named() { "$weirctl" replica points vm1 | grep -q ' rp:before-upgrade '; }
wait_until 60 named
! byte "$(uri vm1)" 4 2>/dev/null || fail "a target is served"

# ---- test failover: each point by its URI, written on scratch, and the replica goes on
expect 0 replica failover vm1 --test
latest=$(uri_of vm1)
assert_eq "$(byte "$latest" 4)" 22 "the latest state"
fill "$latest" 33 4
assert_eq "$(byte "$latest" 4)" 33 "what the test has written"
expect 0 replica failover vm1 --test --point=rp:before-upgrade
assert_eq "$(byte "$(uri_of vm1)" 4)" 11 "the named point"
expect 0 export close vm1@latest+test
expect 0 export close vm1@rp:before-upgrade+test
expect 0 replica failover vm1 --test
assert_eq "$(byte "$(uri_of vm1)" 4)" 22 "after the test was closed"
expect 0 export close vm1@latest+test
expect 3 replica failover vm1 --test --point=rp:nonsense
expect 3 replica failover vm1 --test --point=2001-01-01T00:00:00Z
at a
fill "$(uri vm1)" 44 8
wait_until 60 in_step vm1

# ---- both sites are compared
expect 0 replica verify vm1
says "32 MiB were compared, 0 granules of 64 KiB differed"

# ---- planned: nothing is lost, the old source serves nothing
expect 0 replica failover vm2 --planned --dry-run
fill "$(uri vm2)" 55 1
expect 0 replica failover vm2 --planned
! byte "$(uri vm2)" 1 2>/dev/null || fail "the old source serves on"
at b
expect 0 replica failover vm2
says 'group "vm2" is primary here already'
assert_eq "$(byte "$(uri_of vm2)" 1)" 55 "after a planned failover"

# ---- unplanned: the source dies
at a
gateway_pid=${gateways[a]}
kill_server
at b
expect 0 replica failover vm1 --dry-run
is vm1 role target || fail "a dry run has promoted"
expect 0 replica failover vm1
says "the last write that is there is LSN"
new=$(uri_of vm1)
assert_eq "$(byte "$new" 4) $(byte "$new" 8)" "22 44" "after an unplanned failover"
fill "$new" 66 12
expect 0 replica failover vm1
says 'group "vm1" is primary here already'

# ---- the old source comes back, learns it, and serves nothing
begin a
wait_until 60 is vm1 state fenced
! byte "$(uri vm1)" 4 2>/dev/null || fail "the old source serves again"

# ---- failback: b gives up what was written there, and both have what a has
at b
expect 0 replica failback vm1 --dry-run
says "65536 bytes would be sent again"
wait_until 60 no_client vm1
expect 4 replica failback vm1
complains "would be lost"
assert_eq "$(byte "$new" 12)" 66 "after a failback that was refused"
wait_until 60 no_client vm1
expect 0 replica failback vm1 --discard
says "is a target"
! byte "$new" 12 2>/dev/null || fail "a target is served"
at a
wait_until 60 in_step vm1
assert_eq "$(byte "$(uri vm1)" 4) $(byte "$(uri vm1)" 8) $(byte "$(uri vm1)" 12)" "22 44 00" "at the old source"
fill "$(uri vm1)" 77 16
expect 0 replica verify vm1
says "32 MiB were compared, 0 granules of 64 KiB differed"
at b
same() {
    expect 0 replica failover vm1 --test
    nbdcopy "$(uri_of vm1)" "$work/there"
    expect 0 export close vm1@latest+test
    cmp "$work/there" "$work/a/disks/vm1"
}
wait_until 60 same

# ---- split brain: a goes on while b is promoted
at a
gateway_pid=${gateways[a]}
kill_server
sed -i "s|$work/b/nbd.sock|$work/b/nobody|" "$work/a/policies.d/replicated.conf"
begin a
fill "$(uri vm1)" 88 20
at b
expect 0 replica failover vm1
fill "$(uri_of vm1)" 99 20
at a
stop_pid "${gateways[a]}"
sed -i "s|$work/b/nobody|$work/b/nbd.sock|" "$work/a/policies.d/replicated.conf"
begin a
fenced() { is vm1 state fenced || is vm1 state fork; }
wait_until 60 fenced
! byte "$(uri vm1)" 20 2>/dev/null || fail "a fork is served"
expect 0 replica status vm1
says "both sites"
at b
wait_until 60 no_client vm1
expect 0 replica failback vm1 --discard
at a
wait_until 60 in_step vm1
assert_eq "$(byte "$(uri vm1)" 20)" 88 "the site that wins"
at b
wait_until 60 same
