# database.sh - what does a database say that lies in a file system with its journal on another disk?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
#
# database.sh make|check [lost]: makes the file system on vda, with its journal on vdb, and commits
# for ever; or recovers what is there, and says which of the transactions of /job/book it has, and
# commits three more.  "lost": of those whose commit had returned some may be missing.
job=$1
shift
if [ "$job" = make ]; then
    mkfs.ext4 -q -F -b 4096 -O journal_dev /dev/vdb && mkfs.ext4 -q -F -b 4096 -J device=/dev/vdb /dev/vda || exit
fi
mount -t ext4 /dev/vda /mnt || exit
grep ' /mnt ' /proc/mounts
cd /mnt || exit
if [ "$job" = make ]; then
    exec transact write /run/book
fi
dmesg | grep -E 'EXT4-fs.*(recovery complete|mounted)'
transact check /job/book "$@" && transact write /job/book 3 && transact check /job/book || exit
cd / && umount /mnt || exit
! dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|JBD2.*(error|corrupt)'
