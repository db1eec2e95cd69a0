#!/bin/bash
# dead.sh - does a gateway that dies or hangs stop anything but itself?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_fake b vm2
b=$fake_pid
# Long enough that a busy machine is not taken for a hanging gateway.  That nobody waits
# for it is then seen by any answer within less.
patience=10
start_weirfs -o timeout=${patience}000
soon() { within $((patience - 2)) "$@"; }
cat "$mnt/exports/vm1/size_bytes" "$mnt/exports/vm2/size_bytes" >"$work/out"

# reads until told to stop; each read is over in a minute, whatever it says
cat >"$work/reader" <<'SCRIPT'
errors=0 reads=0
until [ -e "$1" ]; do
    timeout 60 cat "$2/size_bytes" >/dev/null 2>"$3.error" || {
        [ $? -ne 124 ] || { echo HUNG; exit 1; }
        grep -q "endpoint shutdown\|timed out" "$3.error" || { cat "$3.error"; exit 1; }
        errors=$((errors + 1))
    }
    reads=$((reads + 1))
done
echo "reads=$reads errors=$errors"
SCRIPT
readers() { # EXPORT…: 20 of them
    rm -f "$work/stop"
    local i=0 name
    reader_pids=()
    while [ $i -lt 20 ]; do
        for name; do
            spawn "reader-$name-$i" bash "$work/reader" "$work/stop" "$mnt/exports/$name" "$work/reader-$name-$i"
            reader_pids+=("$pid")
            i=$((i + 1))
        done
    done
}
stop_readers() {
    : >"$work/stop"
    local p
    for p in "${reader_pids[@]}"; do wait "$p" || fail "a reader hung, or read what it should not"; done
}
none_failed() { ! grep -h -v "errors=0" "$work"/reader-"$1"-*.log; }
some_failed() { grep -q -h "errors=[1-9]" "$work"/reader-"$1"-*.log; }
errors_seen() { ls "$work"/reader-"$1"-*.error >/dev/null && cat "$work"/reader-"$1"-*.error | grep -q .; }

readers vm1 vm2
wait_until 60 test -e "$work/reader-vm2-19.error"
kill -9 "$b"
wait "$b" 2>/dev/null || true
wait_until 60 errors_seen vm2
stop_readers
none_failed vm1 || fail "readers of the living gateway failed"
some_failed vm2 || fail "nobody noticed that the gateway is dead"

# dead: said at once, and everything else is there
is "$mnt/gateways/b/state" dead
is "$mnt/gateways/a/state" running
refused "endpoint shutdown" soon cat "$mnt/exports/vm2/size_bytes"
refused "endpoint shutdown" soon ls "$mnt/exports/vm2"
assert_eq "$(soon ls "$mnt/exports")" "$(printf 'vm1\nvm2')"
assert_eq "$(soon ls "$mnt/gateways/b")" state

# it comes back
start_fake b vm2
b=$fake_pid
is "$mnt/exports/vm2/size_bytes" 1048576
is "$mnt/gateways/b/state" running

# hanging: the first who ask wait for it, nobody else waits
rm -f "$work"/reader-*
readers vm1 vm2
wait_until 60 test -e "$work/reader-vm2-19.error"
tell b hang
wait_until 60 errors_seen vm2
soon cat "$mnt/exports/vm1/size_bytes" "$mnt/metrics" "$mnt/gateways/b/state" >"$work/out" ||
    fail "a hanging gateway holds up others"
is "$mnt/gateways/b/state" hanging
refused "timed out" soon cat "$mnt/exports/vm2/size_bytes"
stop_readers
none_failed vm1 || fail "readers of the living gateway failed"
# it answers again, and that is noticed
tell b
wait_until 60 file_is "$mnt/gateways/b/state" running
is "$mnt/exports/vm2/size_bytes" 1048576

# slow is not dead
tell b "slow 300"
is "$mnt/exports/vm2/size_bytes" 1048576
