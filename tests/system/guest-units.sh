#!/bin/bash
# guest-units.sh - do weir's units work where PID 1 is systemd: activation, sandbox, restart, stop?
# SPDX-License-Identifier: BSD-3-Clause
#
# A guest with the systemd of Debian 12 and with weir as "meson install" leaves it; guest/jobs/units.sh
# is what is asked of it.
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck debugfs mkfs.ext4 ldconfig systemd-analyze udevadm nbdkit nbdinfo nbdcopy fusermount3 meson
needs_weir
[ -z "$(_preload)" ] || skip "no sanitizer's runtime is in the guest"
prepare_guest

DESTDIR=$work/installed meson install -C "$WEIR_BUILD" --no-rebuild --quiet >"$work/install.log"
"$here/guest/build-systemd" "$work/root.img" "$work/installed" nbdinfo nbdcopy fusermount3 mkfs.ext4
truncate -s 32M "$work/device.img"
raw() { printf '%s\n' -drive "if=none,id=$1,format=raw,cache=unsafe,file=$work/$1.img" -device "virtio-blk-pci,drive=$1"; }
mapfile -t disks < <(raw root; raw device)
start_guest -t 1200 -e "$here/guest/jobs/units.sh" -e "$here/guest/jobs/units-conf.sh" \
    "$guest_folder" "$here/guest/jobs/systemd.sh" units.sh -- "${disks[@]}"
finish_guest
tr -d '\r' <"$work/guest.log" | grep -a '^STEP'

# the power-off unmounted it before the gateway ended, and the gateway lost nothing
check_filesystem ext4 "$work/device.img"
dump_file "$work/device.img" /unsynced "$work/unsynced"
assert_eq "$(sha256sum <"$work/unsynced")" "$(tr -d '\r' <"$work/guest.log" | sed -n 's/^UNSYNCED //p')" \
    "what was written last"
