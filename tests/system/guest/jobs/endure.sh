# endure.sh - does a guest notice what happens to the server of its disk?
# SPDX-License-Identifier: BSD-3-Clause
#
# endure.sh DEVICE: a journal of durable records and fio with --verify, together, on ext4,
# until a line is typed.  Then everything is unmounted, and the kernel must have seen no
# error.  A second line, "again", starts a journal that nobody ends: for a power cut.  "again
# load" starts the rounds of fio, too.  Any other one ends it well.
device=/dev/$1
# Its journal lies before all data: what writes in the order of places brings a promise before what
# was promised.
mkfs.ext4 -q -E packed_meta_blocks=1 "$device" && mount "$device" /mnt || exit

verify() { # rounds of writing and reading back, all of it on the disk
    rounds=0
    until [ -e /run/stop ]; do
        fio --name=verify --filename=/mnt/verify --size=4m --rw=randwrite --bsrange=512-64k \
            --blockalign=512 --ioengine=libaio --iodepth=8 --direct=1 --fsync=64 \
            --verify=crc32c --verify_fatal=1 --randseed=$rounds >/run/fio 2>&1 ||
            { cat /run/fio; return 1; }
        rounds=$((rounds + 1))
        echo "VERIFIED $rounds"
    done
}
journal write /mnt/journal /run/stop &
journal=$!
verify &
verify=$!
read -r _
touch /run/stop
wait $journal || exit
wait $verify || exit
rm /mnt/verify
umount /mnt || exit
dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|[Aa]bort' && exit 1
echo UNMOUNTED
read -r next load
[ "$next" = again ] || exit 0
mount "$device" /mnt || exit
rm /run/stop
echo AGAIN
[ -z "$load" ] || verify &
journal write /mnt/last
