#!/bin/bash
# values.sh - does a write of one value take effect, or fail, inside write(2)?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_weirfs
rate=$mnt/exports/vm1/filters/10-fault/options/rate
ctl=$mnt/exports/vm1/filters/10-fault/ctl

echo 7 >"$rate"
is "$rate" 7
echo 8 | tee "$rate" >"$work/out"
is "$rate" 8
echo 9 >>"$rate"
is "$rate" 9
printf 6 >"$rate"
is "$rate" 6
: >"$rate" # opening with O_TRUNC writes nothing
is "$rate" 6
touch "$rate"

refused "Invalid argument" bash -c "echo many >$rate"
grep -q "rate: 'many' is not a number" "$mnt/last_error" || fail "last_error: $(cat "$mnt/last_error")"
refused "out of range" bash -c "echo 11 >$rate"
refused "I/O error" dash -c "echo 11 >$rate" # dash has one sentence for all
refused "not permitted" bash -c "echo dance >$ctl"
is "$rate" 6
# the error is the one of the write, not of the close
assert_eq "$(python3 - "$rate" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
try:
    os.write(fd, b"none\n")
except OSError as e:
    print(e.strerror)
os.close(fd)
PYTHON
)" "Invalid argument"
# half a value is none
refused "Invalid argument" dd if=/dev/zero of="$rate" bs=1 count=2 conv=notrunc
echo 5 >"$rate"
[ ! -s "$mnt/last_error" ] || [ -z "$(cat "$mnt/last_error")" ] || fail "the error is still there"

# one that is read to and fro sees its own write, one that only reads what it opened
exec 3<>"$rate" 4<"$rate"
echo 4 >&3
is "$rate" 4
read -r was <&4
assert_eq "$was" 5 "a snapshot"
exec 3>&- 4<&-
