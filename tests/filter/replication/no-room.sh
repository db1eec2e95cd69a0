#!/bin/bash
# no-room.sh - does a source say that its target cannot apply what it has received?
# SPDX-License-Identifier: BSD-3-Clause
#
# The files of the target may not grow beyond a limit, as on a full file system: its log is short
# enough, the disk's head is not.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
requires prlimit nbdcopy
trap '' XFSZ # so that it is an error of the write, and no signal
room() { prlimit --pid "$(cat "$work/target.pid")" --fsize="$1:unlimited"; }
said() { statistic replication target_error; }
refused='cannot apply: File too large, [1-9][0-9]* LSNs behind'
is_refused() { said | grep -qx "$refused"; }
is_fine() { [ -z "$(said)" ]; }
told() { grep -c "$1" "$work/source.log" || true; }
fill() { nbd "h.pwrite(b'\\x$1' * 65536, $2 << 20); h.flush()"; }
start_sites
fill 01 20
wait_in_step
is_fine || fail "$(said)"

# ---- it has received all, and cannot apply it
room 16777216
fill 02 20
wait_until 60 is_refused
fill 03 4 # the source goes on
wait_in_step
status .target_error | grep -qx "$refused" || fail "$(status)"
"$weirctl" replica status vm1 >"$work/said"
grep -qx "vm1: target: $refused" "$work/said" || fail "$(cat "$work/said")"
! verb replication handover >"$work/said" 2>&1 || fail "handed over to a target that cannot apply all"
grep -q "nothing has changed: the target cannot apply: File too large" "$work/said" || fail "$(cat "$work/said")"
fill 04 5
wait_in_step

# ---- a meeting is none of its ends
proxy cut
wait_state connecting
proxy heal
wait_in_step
is_refused || fail "$(said)"
assert_eq "$(told 'target: cannot apply') $(told 'target: applies')" "1 0"

# ---- and when there is room it has all
room unlimited
wait_until 60 is_fine
wait_until 60 grep -q 'target: applies' "$work/source.log"
assert_eq "$(told 'target: cannot apply') $(told 'target: applies')" "1 1"
wait_in_step
nbdcopy "$(read_point vm1)" "$work/there"
cmp "$disk" "$work/there"
