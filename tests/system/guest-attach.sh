#!/bin/bash
# guest-attach.sh - does a disk of the kernel's own client outlive its gateway, by weirctl attach?
# SPDX-License-Identifier: BSD-3-Clause
#
#   guest-attach.sh [RESTARTS]
#
# kill -9 of the gateway under ext4 and fio in the guest, RESTARTS times (else WEIR_REPEAT): no I/O
# error, and e2fsck clean.  Then what guest/jobs/attach.sh asks for.
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck debugfs fio
needs_weir
prepare_guest
repeat=${1:-${WEIR_REPEAT:-2}}
policy watched '{ filter = "pass"; }, { filter = "inspection"; }'
disk vm 256M watched
disk other 64M watched
serve

"$here/guest/build-initramfs" -p "$work/weirctl.cpio" "$weirctl"
start_guest -t $((900 + 60 * repeat)) -f -a "$work/weirctl.cpio" -r "$relay" -s "$sock" \
    -e "$here/guest/jobs/endure.sh" "$guest_folder" "$here/guest/jobs/attach.sh"

durable() { awk '$1 == "DURABLE" && $3 + 0 > last {last = $3 + 0} END {print last + 0}' "$work/guest.log"; }
went_beyond() { [ "$(durable)" -gt "$1" ]; }

guest_says 600 "VERIFIED 1"
echo "under load after $SECONDS s, $(durable) records"
for round in $(seq "$repeat"); do
    sleep "0.$((RANDOM % 10))" # anywhere within a round of fio
    kill_server
    before=$(durable)
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    serve
    back=$SECONDS
    wait_until 600 went_beyond $((before + 20))
    echo "round $round: killed at record $before, went on within $((SECONDS - back + 1)) s"
done
type_to_guest stop
guest_says 600 UNMOUNTED
check_filesystem ext4 "$disks/vm"
dump_file "$disks/vm" /journal "$work/journal"
"$journal" check "$work/journal" "$(durable)" || fail "a durable record is gone"
sed -n 's/^JOURNAL //p' "$work/guest.log"
echo "$(grep -ac '^VERIFIED' "$work/guest.log") rounds of fio --verify, $(durable) durable records"
type_to_guest end

# ---- what the job asks for
# asks NUMBER TEXT: waits for the line that is the NUMBERth which asks for something
asked() { grep -aE '^(RESTART|GONE|BACK)' "$work/guest.log" | sed -n "$1p" | tr -d '\r' | grep -qx "$2"; }
asks() {
    until asked "$1" "$2"; do
        kill -0 "$guest_pid" 2>/dev/null || asked "$1" "$2" || fail "the guest ended without '$2'"
        sleep 0.1
    done
}
restart() { kill_server; serve; type_to_guest ready; }
resize() { truncate -s "$1M" "$disks/other"; sed -i "s/\(name = \"other\".*size = \)\"[0-9]*M\"/\1\"$1M\"/" "$work/weir.conf"; }

asks 1 "RESTART unwatched"; restart
asks 2 "RESTART idle"; restart
asks 3 "RESTART idle"; restart
asks 4 "RESTART nbd-client"; restart
asks 5 "GONE size"; kill_server; resize 96; serve; type_to_guest ready
asks 6 BACK; type_to_guest ready
asks 7 "GONE none"; kill_server; type_to_guest ready
asks 8 BACK; serve; type_to_guest ready
finish_guest
grep -a '^FAILED' "$work/guest.log"
check_filesystem ext4 "$disks/vm"
