#!/usr/bin/env bash
# replica-way-back.sh - does a disk come home with what was written at the other site, and nothing else?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
. "$WEIR_SOURCE/tests/system/cli/two-hosts.sh"
requires nbdkit nbdsh nbdcopy
two_hosts vm1
fetched() { "$weirctl" --json export show vm1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["filters"][0]["stats"]["fetched_bytes"].split()[0])'; }
begin b
begin a
fill "$(uri vm1)" 11 4
fill "$(uri vm1)" 11 5
wait_until 60 in_step vm1
expect 4 replica failback vm1
complains "is not replaced by its target"

# ---- planned: nothing differs but what is written there
expect 0 replica failover vm1 --planned
at b
expect 0 replica failover vm1
there=$(uri_of vm1)
fill "$there" 22 5
fill "$there" 22 9
at a
wait_until 60 is vm1 state fenced
wait_until 60 is vm1 kinship promoted
expect 0 replica failback vm1 --dry-run
says "would fetch"
is vm1 state fenced || fail "a dry run has begun"
expect 0 replica failback vm1
says "end the guest there"
is vm1 state fetching || fail "$("$weirctl" --json replica status vm1)"
! byte "$(uri vm1)" 4 2>/dev/null || fail "a disk is served that is on its way"
[ "$(fetched)" -le $((8 * 65536)) ] || fail "$(fetched) bytes were fetched of two granules"

# it follows, and a gateway that is killed on the way goes on from what it has
at b
fill "$there" 33 12
at a
gateway_pid=${gateways[a]}
kill_server
begin a
is vm1 state fetching || fail "a disk on its way is served after a crash"
! byte "$(uri vm1)" 4 2>/dev/null || fail "a disk on its way is served after a crash"
wait_until 60 is vm1 fetch_following true

# nobody else ends it
at b
fill "$there" 44 13
wait_until 60 no_client vm1
expect 4 replica failback vm1 --discard
complains "fetches what was written here"
assert_eq "$(byte "$there" 13)" 44 "after a failback that was refused"
wait_until 60 no_client vm1
expect 0 replica failback vm1
says "the source has all"
! byte "$there" 13 2>/dev/null || fail "a target is served"
at a
wait_until 60 in_step vm1
here=$(uri vm1)
assert_eq "$(byte "$here" 4) $(byte "$here" 5) $(byte "$here" 9) $(byte "$here" 12) $(byte "$here" 13)" "11 22 22 33 44" "at home"
fill "$here" 55 14
expect 0 replica verify vm1
says "32 MiB were compared, 0 granules of 64 KiB differed"

# ---- unplanned, and a has what b never got: that goes only if somebody says so
gateway_pid=${gateways[a]}
kill_server
sed -i "s|$work/b/nbd.sock|$work/b/nobody|" "$work/a/policies.d/replicated.conf"
begin a
fill "$(uri vm1)" 66 20
fill "$(uri vm1)" 66 21
at b
expect 0 replica failover vm1
there=$(uri_of vm1)
fill "$there" 77 21
at a
stop_pid "${gateways[a]}"
sed -i "s|$work/b/nobody|$work/b/nbd.sock|" "$work/a/policies.d/replicated.conf"
begin a
wait_until 60 is vm1 kinship fork
expect 4 replica failback vm1
complains "may have writes that the other one lacks"
complains ": if they may go, weirctl replica failback vm1 --discard"
expect 0 replica failback vm1 --discard
at b
wait_until 60 no_client vm1
expect 0 replica failback vm1
at a
wait_until 60 in_step vm1
here=$(uri vm1)
assert_eq "$(byte "$here" 14) $(byte "$here" 20) $(byte "$here" 21)" "55 00 77" "after a fork that b has won"
expect 0 replica verify vm1
says "32 MiB were compared, 0 granules of 64 KiB differed"

# ---- at a point in the past: what came after it goes at home, too
expect 0 replica mark vm1 good
wait_until 60 in_step vm1
fill "$here" 88 14
fill "$here" 88 30
wait_until 60 in_step vm1
at b
named() { "$weirctl" replica points vm1 | grep -q ' rp:good '; }
wait_until 60 named
expect 0 replica failover vm1 --point=rp:good
at a
fenced() { is vm1 kinship fork || is vm1 kinship promoted; }
wait_until 60 fenced
expect 0 replica failback vm1 --discard
at b
wait_until 60 no_client vm1
expect 0 replica failback vm1
at a
wait_until 60 in_step vm1
assert_eq "$(byte "$here" 14) $(byte "$here" 30)" "55 00" "as it was at the point"
expect 0 replica verify vm1
says "32 MiB were compared, 0 granules of 64 KiB differed"
