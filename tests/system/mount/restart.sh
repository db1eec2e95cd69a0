#!/bin/bash
# restart.sh - does weirfs come and go cleanly, even over what a killed one left?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_weirfs
is "$mnt/exports/vm1/size_bytes" 1048576

# a second one on the same folder would hide the first
refused "another weirfs serves this mount" "$weirfs" --run="$WEIR_RUN" "$mnt"

# killed: the mount is dead; the next one takes its place
for _ in 1 2 3; do
    kill -9 "$weirfs_pid"
    wait "$weirfs_pid" 2>/dev/null || true
    refused "not connected" cat "$mnt/metrics"
    start_weirfs
    is "$mnt/exports/vm1/size_bytes" 1048576
done
assert_eq "$(grep -c " $mnt " /proc/self/mounts)" 1 "mounts"

# SIGTERM: unmounted, even while somebody holds a file open; the exit is a clean one
exec 3<"$mnt/events"
kill -TERM "$weirfs_pid"
wait "$weirfs_pid" || fail "weirfs ended with $?"
! mounted || fail "still mounted after SIGTERM"
exec 3<&-

# without -f it returns when the mount is there, and not before
mkdir "$work/cwd"
(cd "$work/cwd" && "$weirfs" --run=../run ../mnt)
is "$mnt/exports/vm1/size_bytes" 1048576
fusermount3 -u "$mnt"
gone() { ! pgrep -f "$weirfs --run=../run ../mnt"; }
wait_until 60 gone

# a mount point that is missing is made
rmdir "$mnt"
start_weirfs
unmount
wait "$weirfs_pid" || fail "weirfs ended with $?"

# mistakes are told before anything is mounted
refused "Usage:" "$weirfs"
refused "no option '--walrus'" "$weirfs" --walrus "$mnt"
refused "second one" "$weirfs" "$mnt" "$mnt"
refused "No such file" "$weirfs" "$work/no/such/folder"
: >"$work/file"
refused "not a folder" "$weirfs" "$work/file"
refused "unknown option" "$weirfs" -o walrus "$mnt"
! mounted || fail "something is mounted"
status=0; "$weirfs" >"$work/out" 2>&1 || status=$?
assert_eq "$status" 2 "exit status"
"$weirfs" --version | grep -q "^weirfs [0-9]" || fail "--version"

# a weirfs without any gateway is an empty one, and waits for the first
stop_pid "$fake_pid"
rm -f "$WEIR_RUN/ctl/a.sock"
start_weirfs
assert_eq "$(ls "$mnt/exports")$(ls "$mnt/gateways")" ""
start_fake a vm1
is "$mnt/exports/vm1/size_bytes" 1048576
