#!/bin/bash
# guest-cache.sh - does a guest's file system survive on a write-back cache that is killed, and without its pool?
# SPDX-License-Identifier: BSD-3-Clause
#
# kill -9 of the gateway under fio --verify and a journal of fsynced records on ext4 in the guest, started
# again on the same pool, WEIR_REPEAT times in each order of destage.  With fast: when all is drained the
# image is clean and has every durable record.  With ordered: after each kill the image alone, the pool
# thrown away, is a file system that needs no more than its journal, and holds a beginning of the records;
# with the pool, after guest and gateway have died together, it has all that were durable.
. "$WEIR_SOURCE/tests/system/system.sh"
PATH=/usr/bin:$PATH # the python of the distribution
requires e2fsck debugfs fio python3
needs_weir
prepare_guest
repeat=${WEIR_REPEAT:-2}
mkdir "$work/copy"
CONF_MORE="pools = ( { name = \"ssd\"; path = \"$work/pool\"; size = \"96M\"; } );"
# Soon destaged, to a store of 500 writes a second: most kills are amid a batch.
DATASTORE_MORE='latency_threshold = "100ms"; emulate = { servers = 1; service_time = "2ms"; };'
policy cached '{ filter = "cache"; pool = "ssd"; mode = "write-back"; destage_delay = "100ms"; }'
disk vm 256M cached
serve

cache() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" "$1" "exports/vm/filters/@cache/$2" "${@:3}"; }
durable() { # FILE: its last record that the guest called so; half a line has a lower number
    awk -v file="/mnt/$1" '$1 == "DURABLE" && $2 == file && $3 + 0 > last {last = $3 + 0} END {print last + 0}' \
        "$work/guest.log"
}
went_beyond() { [ "$(durable "$1")" -gt "$2" ]; } # FILE RECORD
is_dirty() { [ "$(cache get stats/dirty_bytes)" -gt 0 ]; }
check_journal() { "$journal" check "$1" "$2" || fail "$3"; } # DUMP RECORDS WHAT

# kill_rounds FILE [COMMAND…]: kills the gateway while blocks are dirty, runs the command, starts it again.
kill_rounds() {
    local file=$1 round before back; shift
    for round in $(seq "$repeat"); do
        sleep "0.$((RANDOM % 10))" # anywhere within a round of fio
        wait_until 60 is_dirty
        kill_server
        before=$(durable "$file")
        "$@"
        serve
        back=$SECONDS
        [ "$(cache get stats/state)" = write-back ] || fail "the cache is back as: $(cache get stats/state)"
        recovered=$((recovered + $(cache get stats/recovered_blocks)))
        wait_until 600 went_beyond "$file" $((before + 10))
        echo "$file, round $round: killed at record $before, went on within $((SECONDS - back + 1)) s"
    done
}

# The image without its pool: a file system as an earlier power cut would have left it.
image_alone() {
    local size
    cp --sparse=always "$disks/vm" "$work/copy/vm"
    e2fsck -p "$work/copy/vm" >"$work/e2fsck.log" 2>&1 || [ $? = 1 ] || fail "without its pool the image needs more than its journal"
    check_filesystem ext4 "$work/copy/vm"
    debugfs -R "dump /last $work/copy/last" "$work/copy/vm" 2>/dev/null
    size=0
    [ ! -e "$work/copy/last" ] || size=$(stat -c %s "$work/copy/last")
    [ "$size" = 0 ] || check_journal "$work/copy/last" $((size / 4096)) "without its pool the image has later records and not earlier ones"
    alone+=("$((size / 4096)) of $(durable last)")
    rm -f "$work/copy"/*
}

recovered=0 alone=()
mapfile -t qemu < <(reconnect_delay=600 qemu_disk vm)
start_guest -t $((600 + 60 * repeat)) -f "$guest_folder" "$here/guest/jobs/endure.sh" vda -- "${qemu[@]}"
guest_says 600 "VERIFIED 1"
echo "under load after $SECONDS s, $(durable journal) records"
kill_rounds journal
[ $recovered -gt 0 ] || fail "no start has found a block in the pool"

type_to_guest stop
guest_says 600 UNMOUNTED
"$weirctl" cache drain vm >"$work/drain.log" 2>&1 || fail "the cache cannot be drained"
check_filesystem ext4 "$disks/vm"
dump_file "$disks/vm" /journal "$work/journal"
check_journal "$work/journal" "$(durable journal)" "a durable record is gone"
sed -n 's/^JOURNAL //p' "$work/guest.log"
echo "$(grep -ac '^VERIFIED' "$work/guest.log") rounds of fio --verify, $(durable journal) durable records, at $SECONDS s"

cache set options/order ordered
cache set ctl fill >/dev/null
type_to_guest again load
guest_says 600 AGAIN
wait_until 600 went_beyond last 10
kill_rounds last image_alone
wait_until 60 is_dirty
kill_server
{ kill -9 "$guest_pid"; wait "$guest_pid" || true; } 2>/dev/null # no "Killed" in the log
count=$(durable last)
image_alone
echo "records that the image had without its pool: ${alone[*]}"
serve
"$weirctl" cache drain vm >"$work/drain.log" 2>&1 || fail "the cache cannot be drained"
stop_gateway
e2fsck -p "$disks/vm" >"$work/e2fsck.log" 2>&1 || [ $? = 1 ] || fail "the journal of ext4 cannot be replayed"
check_filesystem ext4 "$disks/vm"
dump_file "$disks/vm" /last "$work/last"
check_journal "$work/last" "$count" "a durable record is gone after the power cut"
