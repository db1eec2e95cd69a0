# kernel-client.sh - do file systems work on the kernel's own NBD client?
# Arguments: CONNECTIONS FS=EXPORT…
# SPDX-License-Identifier: BSD-3-Clause
. ./filesystem.sh
connections=$1
shift
modprobe nbd nbds_max=4
number=0
for pair; do
    device=/dev/nbd$number
    nbd-client 10.0.2.100 10809 $device -N "${pair#*=}" -C "$connections" -timeout 600 || exit
    exercise "${pair%=*}" $device || exit
    nbd-client -d $device || exit
    number=$((number + 1))
done
complain_of_errors
