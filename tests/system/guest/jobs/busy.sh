# busy.sh - does a guest notice that the policy of its disk is edited?
# SPDX-License-Identifier: BSD-3-Clause
#
# busy.sh DEVICE: writes files and reads them back from the disk until a line is typed.
device=/dev/$1
mkfs.ext4 -q "$device" && mount "$device" /mnt || exit
rounds=0
work() {
    until [ -e /run/stop ]; do
        dd if=/dev/urandom of=/mnt/file bs=64k count=8 conv=fsync 2>/dev/null || return
        sum=$(sha256sum </mnt/file)
        echo 1 >/proc/sys/vm/drop_caches
        [ "$sum" = "$(sha256sum </mnt/file)" ] || return
        rounds=$((rounds + 1))
        echo "ROUND $rounds"
    done
}
work &
work=$!
read -r _
touch /run/stop
wait $work || exit
umount /mnt || exit
dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|[Aa]bort' && exit 1
exit 0
