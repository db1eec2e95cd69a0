#!/bin/bash
# stop.sh - does a gateway that is told to stop answer all that is in flight, though filters
# hold it, or the disk is stunned?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh" || exit
needs_weir
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdinfo python3
policy held '{ filter = "fault"; ops = "write"; hold = true; }'
policy slow '{ filter = "fault"; ops = "write"; delay = "1m"; }'
# the hold limit is not what ends them
for p in held slow; do echo 'hold_limit = "0s";' >>"$work/policies.d/$p.conf"; done
disk vm1 16M held
disk vm2 16M slow
disk vm3 16M
write_conf

ctl() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" "$@"; }
held_is() { [ "$(ctl get "exports/$1/filters/@fault/held")" = "$2" ]; }
shown() { "$weirctl" export show "$1" --json; }
waiting_is() { shown "$1" | grep -q "\"waiting\": *$2\b"; }

# writers EXPORT…: 3 connections to each, 40 writes on each, every block its own bytes.  Ends
# well when each write was answered with success.
writers() {
    python3 - "$sock" "$@" <<'END'
import nbd, sys
handles, wrong = [], []
for export in sys.argv[2:]:
    for n in range(3):
        h = nbd.NBD()
        h.connect_uri(f"nbd+unix:///{export}?socket={sys.argv[1]}")
        handles.append(h)
        for i in range(40):
            def done(error, export=export):
                error.value and wrong.append((export, error.value))
                return 1
            h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([n * 40 + i + 1]) * 4096),
                         (n * 40 + i) * 4096, completion=done)
while busy := [h for h in handles if h.aio_in_flight()]:
    for h in busy: # what is not sent yet must be, on each
        h.poll(10)
for h in handles:
    h.shutdown()
assert not wrong, wrong
END
}
# wrote EXPORT: what was acknowledged is on the disk of the gateway that has ended.
wrote() {
    python3 -c "
import sys
seen = open(sys.argv[1], 'rb').read(120 * 4096)
assert seen == b''.join(bytes([i + 1]) * 4096 for i in range(120))" "$disks/$1" ||
        fail "$1 has not what was acknowledged"
}
reset() { for d in vm1 vm2 vm3; do truncate -s 0 "$disks/$d"; truncate -s 16M "$disks/$d"; done; }
# ended PID: by itself, without a kill -9.
ended() { ! kill -0 "$1" 2>/dev/null; }

# one signal after the other, with all that can keep a request
for signal in TERM HUP; do
    reset
    start_gateway "$work/weir.conf"
    "$weirctl" export stun vm3
    spawn writers writers vm1 vm2 vm3
    writers_pid=$pid
    wait_until 60 held_is vm1 120
    wait_until 60 held_is vm2 120
    wait_until 60 waiting_is vm3 120
    kill -$signal "$gateway_pid"
    wait_until 50 ended "$writers_pid" # in less than the delay
    wait "$writers_pid" || fail "SIG$signal: a request in flight was not answered with success"
    wait_until 60 ended "$gateway_pid"
    wait "$gateway_pid" || fail "SIG$signal: the gateway ended with $?"
    for d in vm1 vm2 vm3; do wrote $d; done
done

# in the background, where the process that loaded the plugin is not the one that serves
reset
rm -f "$sock"
pre=$(_preload)
env ${pre:+LD_PRELOAD="$pre"} ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
    nbdkit -P "$work/pid" -t 64 -U "$sock" "$plugin" conf="$work/weir.conf"
wait_until 60 test -s "$work/pid"
gateway_pid=$(cat "$work/pid")
_pids+=("$gateway_pid")
wait_until 60 answers "$(uri)"
spawn writers writers vm1
writers_pid=$pid
wait_until 60 held_is vm1 120
kill "$gateway_pid"
wait_until 50 ended "$writers_pid"
wait "$writers_pid" || fail "in the background: a request in flight was not answered with success"
wait_until 60 ended "$gateway_pid"
wrote vm1

# beside a command, at whose end nbdkit stops itself
reset
sock=$work/run.sock
spawn gateway gateway_process -t 64 -U "$sock" "$plugin" conf="$work/weir.conf" \
    --run "until [ -e '$work/end' ]; do sleep 0.05; done"
gateway_pid=$pid
wait_until 60 answers "$(uri)"
spawn writers writers vm1
writers_pid=$pid
wait_until 60 held_is vm1 120
touch "$work/end"
wait_until 50 ended "$writers_pid"
wait "$writers_pid" || fail "beside a command: a request in flight was not answered with success"
wait "$gateway_pid" || fail "the gateway beside a command ended with $?"
wrote vm1
