#!/bin/bash
# guest-nbd.sh - do file systems survive on the kernel's own NBD client inside a guest?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck xfs_repair btrfs nbd-client
prepare_guest
policy watched '{ filter = "pass"; }, { filter = "inspection"; }'
for fs in ext4 xfs btrfs; do disk $fs 512M watched; done
serve

jobs=$here/guest/jobs
start_guest -t 1200 -r "$relay" -s "$sock" -e "$jobs/filesystem.sh" \
    "$guest_folder" "$jobs/kernel-client.sh" 4 ext4=ext4 xfs=xfs btrfs=btrfs
follow_filesystems ext4 xfs btrfs
