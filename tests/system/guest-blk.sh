#!/bin/bash
# guest-blk.sh - do a guest's file systems survive on exports that QEMU gives it as disks?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck xfs_repair btrfs
prepare_guest
policy watched '{ filter = "pass"; }, { filter = "inspection"; }'
for fs in ext4 xfs btrfs; do disk $fs 512M watched; done
serve

mapfile -t qemu < <(for fs in ext4 xfs btrfs; do qemu_disk $fs; done)
jobs=$here/guest/jobs
start_guest -t 1200 -e "$jobs/filesystem.sh" "$guest_folder" "$jobs/virtio.sh" \
    ext4=vda xfs=vdb btrfs=vdc -- "${qemu[@]}"
follow_filesystems ext4 xfs btrfs
