# virtio.sh - do file systems work on the disks that QEMU gives?  Arguments: FS=DEVICE…
# SPDX-License-Identifier: BSD-3-Clause
. ./filesystem.sh
for pair; do exercise "${pair%=*}" "/dev/${pair#*=}" || exit; done
complain_of_errors
