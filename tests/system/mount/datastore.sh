#!/bin/bash
# datastore.sh - does a datastore's threshold change under open disks, and is it kept?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
start_real
start_weirfs
store=$mnt/datastores/memory
threshold=$store/latency_threshold
own=$work/etc/overrides.d/datastores/memory.conf

# a client that must not notice any of it
spawn client /usr/bin/python3 -u -m nbd -u "$(uri vm1)" -c 'print("ready")' -c 'while True: h.pread(512, 0)'
client=$pid
wait_until 60 grep -q ready "$work/client.log"

is "$threshold" auto
is "$store/exchange" default
is "$store/emulate" none
echo 5ms >"$threshold"
is "$threshold" 5ms
refused "out of range" bash -c "echo 100us >$threshold"
refused "Invalid argument" bash -c "echo soon >$threshold"
grep -q '"soon" is not a time' "$mnt/last_error" || fail "last_error: $(cat "$mnt/last_error")"
refused "Permission denied" bash -c "echo 4 >$store/emulate"
is "$threshold" 5ms
grep -q 'latency_threshold of datastore memory set to 5ms by' "$mnt/events" || fail "no event"

# by weirctl
assert_eq "$("$weirctl" datastore show memory | awk '$1 == "latency_threshold" { print $2 }')" 5ms
"$weirctl" datastore set memory latency_threshold 7ms
is "$threshold" 7ms
! "$weirctl" datastore set memory exchange none 2>"$work/out" || fail "exchange was set"
grep -q "edit the configuration and reload" "$work/out" || fail "it says $(cat "$work/out")"

# a reload: what was set stands above the file
sed -i 's/"memory"; }/"memory"; latency_threshold = "9ms"; }/' "$work/etc/weir.conf"
"$weirctl" reload
is "$threshold" 7ms
"$weirctl" datastore set memory latency_threshold 9ms # as the file says: ours goes
[ ! -e "$own" ] || fail "$own is still there"
sed -i 's/9ms/8ms/' "$work/etc/weir.conf"
"$weirctl" reload
is "$threshold" 8ms
kill -0 "$client" || fail "the client was disturbed: $(cat "$work/client.log")"

# what cannot change under a client is refused, then done
sed -i 's/"8ms";/"8ms"; emulate = { servers = 2; service_time = "1ms"; };/' "$work/etc/weir.conf"
! "$weirctl" reload 2>"$work/out" || fail "a device appeared under a client"
grep -q "disconnect first" "$work/out" || fail "it says $(cat "$work/out")"
is "$store/emulate" none
stop_pid "$client"
# the answer is in a log: it once was not 0 for a minute, and nobody knows what it was
unused() {
    cat "$mnt/exports/vm1/connections" >"$work/connections.log" 2>&1
    file_is "$work/connections.log" 0
}
wait_until 60 unused
"$weirctl" reload
is "$store/emulate" "2 servers, 1ms each, fixed"

# a restart, the hard way
echo 6ms >"$threshold"
kill_server
start_gateway "$work/etc/weir.conf"
wait_until 60 file_is "$threshold" 6ms
grep -q '"8ms"' "$work/etc/weir.conf" || fail "the user's file was changed"
