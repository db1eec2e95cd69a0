#!/bin/bash
# proxy.sh - does the fault proxy do to a connection what it is told, and nothing else?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/proof/proof.sh" || exit
requires jq nbdcopy qemu-nbd
# not a gateway: nbdkit 1.32 may abort when a connection is reset (nbdkit-weir-plugin(1))
start_server() {
    truncate -s 64M "$work/disk"
    spawn server qemu-nbd -t -e 32 -f raw --discard=unmap -k "$work/server.sock" "$work/disk"
    server=$pid
    wait_until 60 listens "$work/server.sock"
}
disk=$work/disk
start_server
start_proxy "$work/server.sock"
url="nbd+unix:///?socket=$link"

# nothing: bytes are as they were
head -c 64M /dev/urandom >"$work/data"
nbdcopy "$work/data" "$url"
cmp "$work/data" "$disk" || fail "other bytes came through"
assert_eq "$(proxy status | jq '.up > 64 * 1048576 and .down > 0 and .corrupted == 0')" true "bytes that were counted"
! proxy nonsense >/dev/null || fail "nonsense was understood"
! proxy delay up soon >/dev/null || fail "a delay that is none was understood"
stop_pid "$server"
rm "$disk"
start_server

# the delay of each direction is waited for, and overtaking leaves a legal cut
round_trip() { nbd 'begin = time.monotonic(); h.pwrite(bytes(4096), 1 << 25); print(int((time.monotonic() - begin) * 1000))'; }
proxy delay up 100
proxy delay down 50
[ "$(round_trip)" -ge 150 ] || fail "a request and its answer took $(round_trip) ms"
proxy clear
proxy delay both 1 20
start_ledger --connections 4 --span $((16 << 20)) "$url"
wait_acked 300
proxy clear
wait_acked 300

# half-open: the connections stay, no byte comes through; then all goes on
proxy freeze
settled() { local n; n=$(acked); sleep 0.3; [ "$(acked)" = "$n" ]; }
wait_until 60 settled
settled || fail "bytes came through"
proxy heal
wait_acked 300
stop_ledger
grep -q "lost 0" "$work/ledger.log" || fail "$(cat "$work/ledger.log")"

# reset in the middle of a request, and a network that is cut
start_ledger --connections 4 --span $((16 << 20)) --reconnect 60 "$url"
for bytes in 0 1000 100001 1000001; do
    resets() { proxy status | jq -r .reset; }
    before=$(resets)
    proxy reset-after $bytes
    is_reset() { [ "$(resets)" -ge $((before + 4)) ]; }
    wait_until 60 is_reset
    wait_acked 100
done
proxy cut
is_refused() { [ "$(proxy status | jq -r .refused)" -gt 2 ]; }
wait_until 60 is_refused
! nbdinfo --size "$url" 2>/dev/null || fail "a connection through a network that is cut"
proxy heal
wait_acked 300
stop_ledger
is_cut --acked --torn "$disk"

# a rate
before=$(proxy status | jq .up)
proxy rate up 1000000
start_ledger --depth 2 --seconds 2 --span $((16 << 20)) "$url"
end_ledger
sent=$(($(proxy status | jq .up) - before))
[ $sent -lt 3500000 ] || fail "$sent bytes in 2 s at 1 MB/s"
proxy clear

# bits of writes are inverted: whoever has no checksum has them
proxy corrupt 0.05 32768
start_ledger --ops 1000 --smallest 32768 --largest 65536 --span $((16 << 20)) "$url"
end_ledger
[ "$(proxy status | jq .corrupted)" -gt 10 ] || fail "$(proxy status)"
is_no_cut "NOT a legal cut" "$disk"
