#!/bin/bash
# control-stop.sh - are thousands of requests that wait for a limit answered when the gateway stops?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh" || exit
needs_weir
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdinfo nbdsh python3
policy slow '{ filter = "control"; iops = 10; size_iops = "512"; max_delay = "1h"; }'
echo 'hold_limit = "0s";' >>"$work/policies.d/slow.conf"
disk vm1 16M slow
write_conf

ctl() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" "$@"; }
statistic() { ctl get "exports/vm1/filters/@control/stats/$1"; }
queued_is() { [ "$(statistic queued)" = "$1" ]; }
# a debt of minutes, so that nothing goes before all are there: nbdkit refuses what comes later
choke() { nbdsh -u "$(uri vm1)" -c 'h.pread(1 << 20, 0)'; }
ended() { ! kill -0 "$1" 2>/dev/null; }

# writers CONNECTIONS EACH: every block its own bytes.  Ends well when all were answered with success.
writers() {
    python3 - "$sock" "$@" <<'END'
import nbd, sys
connections, each = int(sys.argv[2]), int(sys.argv[3])
handles, answered, wrong = [], 0, []
def done(error):
    global answered
    answered += 1
    error.value and wrong.append(error.value)
    return 1
for n in range(connections):
    h = nbd.NBD()
    h.connect_uri(f"nbd+unix:///vm1?socket={sys.argv[1]}")
    handles.append(h)
    for i in range(each):
        number = n * each + i
        h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([number % 255 + 1]) * 512), number * 512,
                     completion=done)
while busy := [h for h in handles if h.aio_in_flight()]:
    for h in busy:  # what is not sent yet must be, on each
        h.poll(10)
for h in handles:
    h.shutdown()
assert not wrong, wrong
assert answered == connections * each, answered
END
}

# ---- 2000 of eight clients wait, and the gateway is told to stop
threads=256 start_gateway "$work/weir.conf"
choke
spawn writers writers 8 250
writers_pid=$pid
wait_until 60 queued_is 2000
kill "$gateway_pid"
wait_until 60 ended "$writers_pid" # by the limit it would be six minutes
wait "$writers_pid" || fail "not all that waited were answered with success"
wait_until 60 ended "$gateway_pid"
wait "$gateway_pid" || fail "the gateway ended with $?"
python3 -c "
import sys
seen = open(sys.argv[1], 'rb').read(2000 * 512)
assert seen == b''.join(bytes([i % 255 + 1]) * 512 for i in range(2000))" "$disks/vm1" ||
    fail "the disk has not what was acknowledged"

# ---- a client is killed while a thousand of its requests wait: the disk is the others' as before,
# and what waited is let go with its limit
threads=256 start_gateway "$work/weir.conf"
choke
spawn writers writers 4 250
writers_pid=$pid
wait_until 60 queued_is 1000
kill -9 "$writers_pid"
ctl set exports/vm1/filters/@control/options/iops max
writers 1 50 || fail "a client that came after one that was killed"
is_zero() { [ "$(statistic "$1")" = 0 ]; }
wait_until 60 is_zero queued
wait_until 60 is_zero in_flight

# ---- a limit begins anew with the process, whatever the one before owed to it
ctl set exports/vm1/filters/@control/options/iops 1
choke # for half an hour
kill -9 "$gateway_pid"
wait "$gateway_pid" || true
threads=256 start_gateway "$work/weir.conf"
assert_eq "$(ctl get exports/vm1/filters/@control/options/iops)" 1 "iops after a restart"
spawn reader nbdsh -u "$(uri vm1)" -c 'h.pread(512, 0)'
wait_until 60 ended "$pid"
wait "$pid" || fail "a read after the restart"
assert_eq "$(statistic limit_hits)" 0 "limit_hits of a new process"
