#!/bin/bash
# guest-reconnect.sh - does a guest see a pause, and no error, when its gateway is killed?
# SPDX-License-Identifier: BSD-3-Clause
#
# kill -9 of the gateway under fio and a journal of fsynced records in the guest, started
# again on the same socket, WEIR_REPEAT times in one boot (5; 20 in suite soak).  Last, gateway and guest die
# together: what was durable then is on the image.
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck debugfs fio
prepare_guest
repeat=${1:-${WEIR_REPEAT:-5}}
policy watched '{ filter = "pass"; }, { filter = "inspection"; }'
disk vm 256M watched
serve

mapfile -t qemu < <(reconnect_delay=600 qemu_disk vm)
start_guest -t $((600 + 60 * repeat)) -f "$guest_folder" "$here/guest/jobs/endure.sh" vda -- "${qemu[@]}"

# durable FILE: its last record that the guest called so; half a line has a lower number
durable() {
    awk -v file="/mnt/$1" '$1 == "DURABLE" && $2 == file && $3 + 0 > last {last = $3 + 0} END {print last + 0}' \
        "$work/guest.log"
}
went_beyond() { [ "$(durable "$1")" -gt "$2" ]; } # FILE RECORD

guest_says 600 "VERIFIED 1"
echo "under load after $SECONDS s, $(durable journal) records"
for round in $(seq "$repeat"); do
    # anywhere within a round of fio
    sleep "0.$((RANDOM % 10))"
    kill_server
    before=$(durable journal)
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    serve
    back=$SECONDS
    wait_until 600 went_beyond journal $((before + 20))
    echo "round $round: killed at record $before, went on within $((SECONDS - back + 1)) s"
done

type_to_guest stop
guest_says 600 UNMOUNTED
check_filesystem ext4 "$disks/vm"
dump_file "$disks/vm" /journal "$work/journal"
"$journal" check "$work/journal" "$(durable journal)" || fail "a durable record is gone"
sed -n 's/^JOURNAL //p' "$work/guest.log"
echo "$(grep -ac '^VERIFIED' "$work/guest.log") rounds of fio --verify, $(durable journal) durable records"

type_to_guest again
guest_says 600 AGAIN
wait_until 60 went_beyond last 50
kill_server
{ kill -9 "$guest_pid"; wait "$guest_pid" || true; } 2>/dev/null # no "Killed" in the log
count=$(durable last)
e2fsck -fy "$disks/vm" >"$work/e2fsck.log" 2>&1 || [ $? = 1 ] || fail "the journal of ext4 cannot be replayed"
dump_file "$disks/vm" /last "$work/last"
"$journal" check "$work/last" "$count" || fail "a durable record is gone after the power cut"
