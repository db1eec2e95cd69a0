#!/bin/bash
# handover.sh - is nothing lost, and no disk served at two sites, when a source hands over?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
# below replication, so that a write can be caught between its check and its place in the order
REPLICATION='}, { filter = "fault"; ops = "write"; delay = "0s";'
hand_over() { verb replication handover >"$work/said" 2>&1; }
role() { target_status .role; }
serves() { nbd 'h.pwrite(b"\x77" * 512, 5 << 20)' 2>/dev/null; }
start_sites
wait_in_step

# ---- the target is away: refused at once, and the guest has not noticed
kill_target
wait_state connecting
: >"$work/guest.log"
spawn guest nbdsh -u "$url" -c '
import time
while True: h.pwrite(bytes(512), 7 << 20); print("written", flush=True); time.sleep(0.01)'
guest=$pid
wait_until 60 grep -q written "$work/guest.log"
! hand_over || fail "handed over to nobody"
grep -q "not handed over, nothing has changed: the group vm1 is connecting: " "$work/said" || fail "$(cat "$work/said")"
alive "$guest" || fail "the guest has noticed: $(cat "$work/guest.log")"
stop_pid "$guest"
start_target
wait_in_step

# decided: exactly one site serves, and the target is in $its role; in the end it is the source again
decided() {
    if is_in_step; then its=target; else its=$(role); [ "$its" = primary ]; fi
}
one_serves() {
    wait_until 60 decided
    if [ "$its" = target ]; then
        wait_until 60 serves
        assert_eq "$(role)" target "both sites serve"
    else
        ! serves || fail "both sites serve"
        WEIR_RUN=$work/target/run "$weirctl" replica failback vm1 --discard >/dev/null
        wait_until 60 is_in_step
        wait_until 60 serves
    fi
    wait_in_step
}

# ---- the connection is lost before, in the middle of, and after the word to the target
for bytes in 100 4200 5000 8600; do
    proxy reset-after $bytes
    hand_over || true
    echo "reset after $bytes bytes: $(cat "$work/said")"
    one_serves
done

# ---- the source dies when it may have told the target: until both have met it serves nothing
record=$(find "$WEIR_STATE" -name group -path '*replication*')
before=$(stat -c %y "$record")
proxy delay up 1200
spawn handover python3 "$WEIR_SOURCE/tests/filter/ctl.py" set exports/vm1/filters/@replication/ctl handover
handover=$pid
is_remembered() { [ "$(stat -c %y "$record")" != "$before" ]; }
wait_until 60 is_remembered
kill_source
stop_pid "$handover"
proxy cut
start_source
wait_until 60 ctl get exports/vm1/state # its socket comes after that of clients
assert_eq "$(ctl get exports/vm1/state)" locked "a disk that another site may have"

# ---- and that site is gone for ever, as far as anybody knows: an operator has it served all the same
! verb replication detach >"$work/said" 2>&1 || fail "detached: $(cat "$work/said")"
grep -q "let two sites be written.*weirctl replica detach vm1 anyway" "$work/said" || fail "$(cat "$work/said")"
! verb replication "detach anyhow" >"$work/said" 2>&1 || fail "detached: $(cat "$work/said")"
! serves || fail "served after a detach that was refused"
"$weirctl" replica detach vm1 anyway >"$work/said"
grep -q "its disks are served here" "$work/said" || fail "$(cat "$work/said")"
wait_until 60 serves
stop_source
start_source
is_state detached || fail "the source is $(numbers state) after a restart"
wait_until 60 serves
verb replication attach
proxy clear
has_met() { is_in_step || is_state fenced; }
wait_until 60 has_met
one_serves

# ---- a write that is under way is there, or was never acknowledged
option fault delay 3s
spawn late nbdsh -u "$url" -c '
try: h.pwrite(b"\x99" * 4096, 9 << 20); print("acknowledged")
except nbd.Error as e: print("refused")'
late=$pid
held() { [ "$(ctl get exports/vm1/filters/@fault/held)" -ge 1 ]; }
wait_until 60 held
hand_over || fail "$(cat "$work/said")"
grep -q "handed over at LSN .*: nothing is lost" "$work/said" || fail "$(cat "$work/said")"
wait "$late"
assert_eq "$(role)" primary "the role of the target"
is_state fenced || fail "the source is $(numbers state)"
! serves || fail "the source serves on"
WEIR_RUN=$work/target/run "$weirctl" export open vm1 >/dev/null
there=$(nbdcopy "$(read_point vm1 | sed 's/vm1@latest/vm1/')" - | dd bs=1 skip=$((9 << 20)) count=1 status=none | od -An -tx1)
grep -q refused "$work/late.log" || assert_eq "$there" " 99" "an acknowledged write, at the site that took over"
