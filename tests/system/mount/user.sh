#!/bin/bash
# user.sh - does an ordinary user have a mount of their own?
# SPDX-License-Identifier: BSD-3-Clause
if [ -n "${WEIR_OWN_DEVICE:-}" ]; then
    mknod -m 666 "$WEIR_OWN_DEVICE" c 10 229
    mount --bind "$WEIR_OWN_DEVICE" /dev/fuse
fi
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
requires setpriv
[ "$(id -u)" = 0 ] || skip "needs root, to become somebody else"
[ -u "$(command -v fusermount3)" ] || skip "needs a setuid fusermount3"
# udev lets everybody use /dev/fuse; where there is no udev, a private /dev/fuse does
if [ "$(stat -c %a /dev/fuse)" != 666 ]; then
    [ -z "${WEIR_OWN_DEVICE:-}" ] || fail "no /dev/fuse for everybody: $(ls -l /dev/fuse)"
    WEIR_OWN_DEVICE=$work/fuse unshare -m bash "$0"
    exit
fi
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$work"
mkdir "$mnt"
chown -R 65534:65534 "$WEIR_RUN" "$mnt"
"${nobody[@]}" test -x "$weirfs" || skip "the build folder is not open to others"
"${nobody[@]}" test -r "$here/fake-gateway" || skip "the source folder is not open to others"

spawn fake "${nobody[@]}" /usr/bin/python3 "$here/fake-gateway" "$WEIR_RUN" a vm1
wait_until 60 listens "$WEIR_RUN/ctl/a.sock"
"${nobody[@]}" "$weirfs" --run="$WEIR_RUN" "$mnt"
cleanup_fn "unmount"
assert_eq "$("${nobody[@]}" cat "$mnt/exports/vm1/size_bytes")" 1048576
"${nobody[@]}" bash -c "echo 3 >$mnt/exports/vm1/filters/10-fault/options/rate"
assert_eq "$("${nobody[@]}" cat "$mnt/exports/vm1/filters/10-fault/options/rate")" 3
assert_eq "$("${nobody[@]}" stat -c %u:%g "$mnt/policies/gold")" 65534:65534
# it is theirs alone, even root's eyes are kept out by the kernel
refused "Permission denied" cat "$mnt/exports/vm1/size_bytes"
"${nobody[@]}" fusermount3 -u "$mnt"

# a dead one is replaced without root, too
spawn weirfs "${nobody[@]}" "$weirfs" --run="$WEIR_RUN" -f "$mnt"
up() { "${nobody[@]}" test -e "$mnt/metrics"; }
wait_until 60 up
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
"${nobody[@]}" "$weirfs" --run="$WEIR_RUN" "$mnt"
assert_eq "$("${nobody[@]}" cat "$mnt/exports/vm1/size_bytes")" 1048576
"${nobody[@]}" fusermount3 -u "$mnt"

# one that may mount lets root in, and whom the modes name: weirfs.service runs so
spawn weirfs setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+sys_admin \
    --ambient-caps=+sys_admin "$weirfs" --run="$WEIR_RUN" -f "$mnt"
wait_until 60 test -e "$mnt/metrics"
is "$mnt/exports/vm1/size_bytes" 1048576
refused "Permission denied" setpriv --reuid=65533 --regid=65533 --clear-groups cat "$mnt/exports/vm1/size_bytes"
assert_eq "$(setpriv --reuid=65533 --regid=65534 --clear-groups cat "$mnt/exports/vm1/size_bytes")" 1048576
refused "Permission denied" setpriv --reuid=65533 --regid=65534 --clear-groups \
    bash -c "echo 3 >$mnt/exports/vm1/filters/10-fault/options/rate"
kill "$pid"
wait "$pid" || fail "weirfs ended with $?"
! mounted || fail "still mounted"
