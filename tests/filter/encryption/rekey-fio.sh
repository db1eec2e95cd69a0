#!/bin/bash
# rekey-fio.sh - does fio --verify see nothing of both rekeys, nor of gateways that are killed meanwhile?
# SPDX-License-Identifier: BSD-3-Clause
#
# Between fio and the gateway stands a qemu-nbd, which waits for a gateway that comes back, as a guest's QEMU does.
SIZE=24M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
requires fio qemu-nbd
cd "$work" # fio leaves files where it runs
journal=$(((16 << 20) - 72 * 1024)) data=$((16 << 20)) mib=$((1 << 20))
quiet="$((data + 3 * mib)) $((data + 4 * mib))" # fio writes before and after, so that a fault there is of the rekey
new_key new

rounds() { grep -c ROUND "$work/verify.log" || true; }
# fio writes and reads back, round after round
verify() {
    local round=0 job="--ioengine=nbd --uri=nbd+unix:///vm1?socket=$work/qemu.sock --rw=randwrite --bsrange=512-64k --blockalign=512
        --iodepth=8 --fsync=50 --verify=crc32c --verify_backlog=64 --verify_fatal=1"
    until [ -e "$work/stop" ]; do
        # shellcheck disable=SC2086
        fio --randseed=$((seed + round)) --name=before $job --offset=0 --size=3m --name=behind $job --offset=4m --size=4m \
            >"$work/fio.log" 2>&1 || return
        round=$((round + 1))
        echo "ROUND $round"
    done
}
# verified: two rounds more, so that one began and ended with what is now
verified() {
    local before; before=$(rounds)
    further() { [ "$(rounds)" -ge $((before + 2)) ] || ! works; }
    wait_until 60 further
    works || fail "fio: $(tail -20 "$work/fio.log")"
}
# comes_back FILTER: another gateway, after one that was killed
comes_back() { serve "$(encrypted "$quick"), $1"; }

serve "$(formatted ""), $harmless"
old=$(luks volume-key "$disk" "$work/key")
spawn qemu qemu-nbd -t -e 4 -k "$work/qemu.sock" -x vm1 --image-opts \
    "driver=raw,file.driver=nbd,file.export=vm1,file.server.type=unix,file.server.path=$sock,file.reconnect-delay=60"
qemu_pid=$pid
wait_until 60 listens "$work/qemu.sock"
verify >"$work/verify.log" &
verify_pid=$!
_pids+=("$verify_pid")
works() { grep -q ') [^Z]' "/proc/$verify_pid/stat"; } 2>/dev/null
verified

# ---- another passphrase; killed when its slot was written, and when the old one was gone
kill_server
comes_back "$(fault 0 16384 before 4096)"
verb encryption "rekey file:$work/new" >"$work/said" 2>&1 && fail "the gateway was not killed"
crashed
comes_back "$harmless"
verb encryption "rekey file:$work/new" >/dev/null
option encryption key "file:$work/new"
option fault to 16384
option fault crash after
option fault rate 1
verb encryption "rekey file:$work/new" >"$work/said" 2>&1 && fail "the gateway was not killed"
crashed
rm -r "$work/overrides.d" # of the fault
mv "$work/new" "$work/key"
comes_back "$harmless"
verified

# ---- another volume key; killed when it has begun, in the middle of data, of its progress, and at its end
kill_server
comes_back "$(fault 0 16384 after)"
verb encryption rekey-deep >"$work/said" 2>&1 && fail "the gateway was not killed"
crashed
for place in "$quiet before 256K" "$quiet after" "$journal $data before 4K" "0 16384 before 4K"; do
    # shellcheck disable=SC2086
    start_gateway_to_crash "$(fault $place)"
done
comes_back "$harmless"
wait_until 60 ended
verified
touch "$work/stop"
wait "$verify_pid" || fail "fio: $(tail -20 "$work/fio.log")"
echo "$(rounds) rounds of fio --verify"
stop_pid "$qemu_pid" # nbdkit stops when its clients have gone
stop_gateway
luks volume-key "$disk" "$work/key" >"$work/now"
[ "$(cat "$work/now")" != "$old" ] || fail "the volume key is still the old one"
