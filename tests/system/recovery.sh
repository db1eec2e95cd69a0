#!/bin/bash
# recovery.sh - does a killed gateway come back, and do two never share an image?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdinfo nbdcopy qemu-io fio
needs_weir
policy five '{ filter = "pass"; }, { filter = "fault"; rate = 0.0; }, { filter = "pass"; },
             { filter = "inspection"; ring = 64; }, { filter = "pass"; }'
disk one 16M
disk two 16M five
serve

# What was answered to a FUA write or followed by a flush is there after kill -9, and the
# same sockets, names and disks come back, again and again.
for round in $(seq "${WEIR_REPEAT:-5}"); do
    for name in one two; do
        qemu-io -f raw "$(uri $name)" -c "write -f -P $round 0 1M" -c "write -P $round 8M 1M" -c flush >/dev/null
    done
    touch "$work/before"
    spawn load fio --name=load --ioengine=nbd --uri="$(uri two)" --rw=randwrite --offset=10m --size=6m --bs=4k \
        --iodepth=16 --time_based --runtime=60
    load=$pid
    wait_until 60 test "$disks/two" -nt "$work/before"
    sleep "0.$((RANDOM % 5))"
    kill_server
    wait "$load" && fail "fio did not notice that its server was killed"
    serve
    for name in one two; do
        qemu-io -f raw "$(uri $name)" -c "read -P $round 0 1M" -c "read -P $round 8M 1M" >"$work/read.log"
        ! grep 'Pattern verification failed' "$work/read.log" || fail "round $round: a durable write is gone"
    done
done

# A disk that has grown opens as large as it is, though its configuration says what it was.
"$weirctl" export grow two 24M
kill_server
serve
assert_eq "$(nbdinfo --size "$(uri two)")" $((24 << 20)) "the size of a disk that has grown"

# A second gateway on the same images serves what it can have, which is none of them, and
# says why; the first goes on.
first=$sock first_pid=$gateway_pid
cp "$work/weir.conf" "$work/second.conf"
sock=$work/second.sock
rm -f "$sock"
spawn second gateway_process -U "$sock" "$plugin" conf="$work/second.conf" name=second
second_pid=$pid
wait_until 60 listens "$sock"
/usr/bin/python3 - "$sock" <<'END' || fail "two gateways serve one image, or do not say why not"
import sys
import nbd
said = {}
lister = nbd.NBD()
lister.set_opt_mode(True)
lister.connect_unix(sys.argv[1])
lister.opt_list(said.__setitem__)
print(said)
for name in ("one", "two"):
    assert "locked" in said[name] and "in use" in said[name], said
    client = nbd.NBD()
    client.set_export_name(name)
    try:
        client.connect_unix(sys.argv[1])
    except nbd.Error:
        continue
    raise AssertionError(f"{name} was opened twice")
END
sock=$first
qemu-io -f raw "$(uri one)" -c 'write -P 77 0 1M' -c 'read -P 77 0 1M' >/dev/null || fail "the first one suffered"

# When the first is gone, the second can be told, or started again, and takes over.
stop_pid "$second_pid"
gateway_pid=$first_pid
kill_server
sock=$work/second.sock
start_gateway "$work/second.conf" name=second
qemu-io -f raw "$(uri one)" -c 'read -P 77 0 1M' >"$work/read.log"
! grep 'Pattern verification failed' "$work/read.log" || fail "the second reads other bytes"
