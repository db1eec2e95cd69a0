# attach-chains.sh - do file systems work on the disks that weirctl attach makes of every chain?
# Arguments: FS=EXPORT…
# SPDX-License-Identifier: BSD-3-Clause
. ./filesystem.sh
modprobe nbd nbds_max=2
for pair; do
    weirctl attach "nbd://10.0.2.100/${pair#*=}" /dev/nbd0 || exit
    exercise "${pair%=*}" /dev/nbd0 "${pair#*=}" || exit
    weirctl detach /dev/nbd0 || exit
done
complain_of_errors
