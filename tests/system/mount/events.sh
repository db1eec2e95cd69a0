#!/bin/bash
# events.sh - does poll(2) on `events` wake, for every gateway, and is every line there once?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_fake b vm2
start_weirfs
rate=filters/10-fault/options/rate

# what has happened is there at once, without a wait for whoever brings it
for i in 1 2 3 4 5; do
    echo "$i" >"$mnt/exports/vm1/$rate"
    assert_eq "$(grep -c "gateway=a .*vm1/$rate was changed" "$mnt/events")" "$i"
done
grep -q "gateway=b .*gateway b started" "$mnt/events" || fail "no events of gateway b"
assert_eq "$(cut -d' ' -f1 "$mnt/events" | sort -c 2>&1)" "" "events out of order"

# watch NAME: says what it reads, after poll() said that there is something
cat >"$work/watch.py" <<'PYTHON'
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
poll = select.poll()
poll.register(fd, select.POLLIN)
while True:
    while True:
        text = os.read(fd, 100)
        if not text:
            break
        sys.stdout.buffer.write(text)
    print("-- quiet", flush=True)
    for _, events in poll.poll():
        assert events & select.POLLIN, events
PYTHON
spawn watch1 python3 "$work/watch.py" "$mnt/events"
watch1=$pid
spawn watch2 python3 "$work/watch.py" "$mnt/events"
wait_until 60 grep -q -- "-- quiet" "$work/watch1.log"
wait_until 60 grep -q -- "-- quiet" "$work/watch2.log"
# nobody reads or stats: only poll() brings these, from either gateway
stop_pid "$watch1"
for g in a:vm1 b:vm2 a:vm1; do
    quiet=$(grep -c -- "-- quiet" "$work/watch2.log")
    # by the socket: a write through the mount might wake by itself
    python3 - "$WEIR_RUN/ctl/${g%:*}.sock" "exports/${g#*:}/$rate" <<'PYTHON'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps(dict(op="set", path=sys.argv[2], text="3")).encode() + b"\n")
assert json.loads(s.makefile().readline())["ok"]
PYTHON
    more() { [ "$(grep -c -- "-- quiet" "$work/watch2.log")" -gt "$quiet" ]; }
    wait_until 60 more
done
seen_all() { grep -v -- "-- quiet" "$work/watch2.log" | cmp - "$mnt/events"; }
wait_until 60 seen_all # and nothing twice

# a gateway that was killed and comes back counts from one again
stop_pid "$fake_pid"
start_fake b vm2
started_twice() { [ "$(grep -c "gateway b started" "$mnt/events")" = 2 ]; }
wait_until 60 started_twice

# tail -f follows
spawn tail tail -n 1 -f -s 0.1 "$mnt/events"
wait_until 60 test -s "$work/tail.log"
echo 9 >"$mnt/exports/vm1/$rate"
tailed() { [ "$(wc -l <"$work/tail.log")" = 2 ]; }
wait_until 60 tailed
assert_eq "$(tail -1 "$work/tail.log")" "$(tail -1 "$mnt/events")"
refused "Permission denied" bash -c "echo x >$mnt/events"
