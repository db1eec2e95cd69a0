#!/bin/bash
# guest-failover.sh - does a guest go on at the other site with all that it had said to be committed?
# SPDX-License-Identifier: BSD-3-Clause
#
# guest-failover.sh [ROUNDS]   or WEIR_ROUNDS
#
# The guest has a file system with its journal on another disk of the same group, and in it a
# database.  While it commits, another guest starts from a restore point of both disks at the
# target, and finds the database as it was at that point.  Then source and guest are killed, and a
# guest starts from the target's disks.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
. "$WEIR_SOURCE/tests/system/guest/guest.sh"
PATH=$PATH:/usr/sbin:/sbin
requires e2fsck nbdcopy
prepare_guest
rounds=${1:-${WEIR_ROUNDS:-1}}
DISKS=(vm1 vm2) GROUP=vm SIZE=64M TLS=''
REPLICATION='group = "vm"; mode = "sync";'
at_target() { WEIR_RUN=$work/target/run "$weirctl" --json replica "$@" >"$work/answer.log"; }

# guest NAME SOCKET DISK DISK [RUN-GUEST OPTION…] -- WORD…: starts one that has a folder of its
# own, $work/NAME.  Job and words: guest/jobs/database.sh
guest() {
    local name=$1 sock=$2 disks=("$3" "$4") options=() qemu; shift 4
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    local work=$work/$name
    rm -rf "$work"
    mkdir "$work"
    mapfile -t qemu < <(qemu_disk "${disks[0]}" first; qemu_disk "${disks[1]}" second)
    start_guest -t 600 ${options[@]+"${options[@]}"} "$guest_folder" "$here/guest/jobs/database.sh" "$@" -- "${qemu[@]}"
}
# said NAME: the lines of a guest's book that are whole
said() { { tr -d '\r' <"$work/$1/guest.log"; echo; } | sed '$d' | grep -aE '^([rb] [0-9 ]+|c( [0-9]+){4})$' || true; }
committed() { said "$1" | grep -c '^c'; }
wait_committed() { # NAME N: until so many more are
    local wanted=$(($(committed "$1") + $2))
    _has_committed() { [ "$(committed "$1")" -ge "$wanted" ] || ! alive "$guest_pid"; }
    wait_until 240 _has_committed "$1"
    alive "$guest_pid" || fail "the guest ended: $(tail -5 "$work/$1/guest.log")"
}
# ends NAME PID: well, and what it had found
ends() {
    (work=$work/$1 guest_pid=$2 guest_says 240 GUEST-EXIT) || fail "$1: $(tail -20 "$work/$1/guest.log")"
    assert_eq "$(tr -d '\r' <"$work/$1/guest.log" | sed -n 's/^GUEST-EXIT: //p')" 0 \
        "$1: $(tail -20 "$work/$1/guest.log")"
    wait "$2" || fail "QEMU ended with $?"
    grep -a 'recovery complete' "$work/$1/guest.log" || fail "$1: the journal had nothing to recover"
    grep -a '^THERE' "$work/$1/guest.log"
    there=$(sed -n 's/^THERE \([0-9]*\) .*/\1/p' "$work/$1/guest.log" | head -1)
}

one_round() {
    local before after first past
    guest first "$sock" vm1 vm2 -- make
    first=$guest_pid
    wait_committed first 15

    # a guest from a point of both disks, while replication and the first guest go on
    before=$(committed first)
    verb replication "mark point-$round" >"$work/answer.log"
    after=$(committed first)
    wait_committed first 5
    lists() { target_status .complete_lsn >/dev/null; nbdinfo --size "$(read_point vm1 "rp:point-$round")"; }
    wait_until 60 lists
    said first >"$work/book"
    guest past "$target_sock" "vm1@rp:point-$round+boot" "vm2@rp:point-$round+boot" -e "$work/book" -- check lost
    past=$guest_pid guest_pid=$first
    wait_committed first 5
    ends past "$past"
    [ "$there" -ge "$before" ] && [ "$there" -le $((after + 1)) ] ||
        fail "the point has $there transactions; there were $before before it and $after after it"
    guest_pid=$first
    wait_committed first 5
    assert_eq "$(statistic replication state)" streaming "replication beside a guest from a point"

    # both are killed; what the guest had said is there
    kill_source
    { kill -9 "$first"; wait "$first" || true; } 2>/dev/null
    said first >"$work/book"
    at_target failover vm
    guest next "$target_sock" vm1 vm2 -e "$work/book" -- check
    ends next "$guest_pid"
    nbdcopy "$(target_uri vm1)" "$work/image"
    nbdcopy "$(target_uri vm2)" "$work/journal"
    e2fsck -fn -j "$work/journal" "$work/image" >"$work/e2fsck.log" 2>&1 || fail "the file system is not clean"
}
target_uri() { printf 'nbd+unix:///%s?socket=%s' "$1" "$target_sock"; }
give_back() { at_target failback vm --discard; }

start_sites
for ((round = 1; round <= rounds; round++)); do
    wait_in_step
    one_round
    [ $round = "$rounds" ] || { wait_until 60 give_back; start_source; }
done
