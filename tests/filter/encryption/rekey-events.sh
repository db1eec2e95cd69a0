#!/bin/bash
# rekey-events.sh - what becomes of a deep rekey when the disk grows, its gateway is told to stop, or the next one may not write?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=20M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
mib=$((1 << 20)) chunk="18M 19M"
holding='{ filter = "fault"; ops = "write"; from = "18M"; to = "20M"; }'
progress() { [ "$(statistic encryption rekey_progress_percent)" -ge "$1" ]; }
holds() { [ "$(ctl get exports/vm1/filters/@fault/held)" -gt 0 ]; }
release() {
    option fault hold false
    verb fault release >/dev/null
}
fresh() {
    rm -rf "$disk" "$work/overrides.d"
    cp --sparse=always "$work/filled" "$disk"
    cp "$work/filled.model" "$work/model"
    EXPORT_MORE='' SIZE=20M
}
# half_way: a deep rekey that stands in the middle of the disk, in a write to the chunk there
half_way() {
    fresh
    serve "$(encrypted "$quick"), $holding"
    option fault hold true
    verb encryption rekey-deep >/dev/null
    wait_until 60 progress 50
    wait_until 60 holds
}
serve "$(formatted "")"
model fill "$work/model"
stop_gateway
old=$(luks volume-key "$disk" "$work/key")
cp --sparse=always "$disk" "$work/filled"
cp "$work/model" "$work/filled.model"

# ---- it grows in the middle: what is new goes over to the new key, too
half_way
"$weirctl" export grow vm1 8M >/dev/null
wait_until 60 holds # the next chunk, as growing let go of that one
option fault to 20M
nbd "h.pwrite(block, (8 << 20) - 4096); h.pwrite(block, 5 << 20); expect(h.pread(4096, 5 << 20), block)"
progress 100 && fail "it has ended before the disk was written to"
release
wait_until 60 ended
nbd "expect(h.pread(4096, (8 << 20) - 4096), block); expect(h.pread(4096, 5 << 20), block)"
stop_gateway
SIZE=24M
serve "$(encrypted "$quick")"
nbd "expect(h.pread(4096, (8 << 20) - 4096), block); expect(h.pread(4096, 5 << 20), block)"
stop_gateway
assert_rekeyed "$old" "$work/key"

# ---- at its end it does not: what is written behind the old end would be of the old key
half_way
option fault from 0
option fault to 16384
verb fault release >/dev/null
wait_until 60 progress 100
wait_until 60 holds # the header that says so
if "$weirctl" export grow vm1 8M >"$work/said" 2>&1; then fail "it has grown while the rekey ended"; fi
grep -q "just ends" "$work/said" || fail "$(cat "$work/said")"
release
wait_until 60 ended
"$weirctl" export grow vm1 8M >/dev/null
nbd "h.pwrite(block, (8 << 20) - 4096); expect(h.pread(4096, (8 << 20) - 4096), block)"
stop_gateway
assert_rekeyed "$old" "$work/key"

# ---- its gateway is told to stop in the middle of a chunk: it does, and the next one goes on
half_way
kill "$gateway_pid"
wait_until 20 gone
stopped=0
wait "$gateway_pid" || stopped=$?
assert_eq "$stopped" 0 "the gateway that was told to stop ended with"
rm -r "$work/overrides.d"
serve "$(encrypted "$quick")"
wait_until 60 ended
model check "$work/model"
stop_gateway
assert_rekeyed "$old" "$work/key"

# ---- killed there, and served read-only: each byte is read with its key, nothing is written
read_only() {
    EXPORT_MORE='read_only = true;'
    before=$(sha256sum <"$disk")
    serve "$(encrypted "$quick")"
    assert_statistic encryption state paused
    assert_statistic encryption rekey_progress_percent 50
    case $(verb encryption status) in *"it pauses: the export is read-only"*) ;; *) fail "$(verb encryption status)" ;; esac
    refused rekey-deep "the export is read-only"
}
half_way
kill_server
rm -r "$work/overrides.d"
read_only
model check "$work/model"
stop_gateway
assert_eq "$(sha256sum <"$disk")" "$before" "the image of a read-only export"

# a chunk of both keys can only be finished by who may write
fresh
# shellcheck disable=SC2086
serve "$(encrypted "$quick"), $(fault $chunk before 256K)"
verb encryption rekey-deep >"$work/said" 2>&1 || true # it may be killed before it answers
crashed
read_only
nbd "expect(error(h.pread, 512, 2 * $mib), \"EIO\"); expect(error(h.pread, 512, 2 * $mib - 512), \"none\")
expect(error(h.pread, 512, 3 * $mib), \"none\")"
stop_gateway
assert_eq "$(sha256sum <"$disk")" "$before" "the image of a read-only export"
EXPORT_MORE=
serve "$(encrypted "$quick")"
wait_until 60 ended
model check "$work/model"
stop_gateway
assert_rekeyed "$old" "$work/key"
