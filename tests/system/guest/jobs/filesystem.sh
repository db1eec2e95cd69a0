# filesystem.sh - does a file system on a disk keep what is written?  Sourced by jobs.
# SPDX-License-Identifier: BSD-3-Clause

# exercise FS DEVICE [NAME]: makes FS, writes and syncs files, trims, and reads back from the disk.
# Says "TRIM NAME" and waits for a typed line, so that the host can look at the image.
exercise() {
    local fs=$1 device=$2 name=${3:-$1} i force=
    [ "$fs" = ext4 ] || force=-f
    echo "MKFS $fs on $device"
    mkfs."$fs" -q $force "$device" || return
    mount -t "$fs" "$device" /mnt || return
    for i in 1 2 3 4; do
        dd if=/dev/urandom of=/mnt/big$i bs=64k count=16 conv=fsync 2>/dev/null || return
    done
    mkdir /mnt/small
    for i in $(seq 100); do echo "$i $fs" >/mnt/small/$i; done
    dd if=/dev/urandom of=/mnt/gone bs=256k count=32 conv=fsync 2>/dev/null || return
    sync
    (cd /mnt && find . -type f ! -name gone | sort | xargs sha256sum >/run/sums && cp /run/sums sums)
    rm /mnt/gone
    sync
    echo "TRIM $name"
    read -r _
    fstrim -v /mnt || return
    umount /mnt || return
    echo 3 >/proc/sys/vm/drop_caches
    mount -t "$fs" "$device" /mnt || return
    (cd /mnt && sha256sum -c /run/sums >/run/result 2>&1) || { grep -v OK /run/result; return 1; }
    umount /mnt || return
    echo "SUMS $name $(sha256sum </run/sums)"
}

# complain_of_errors: the kernel must not have seen any.
complain_of_errors() {
    dmesg | grep -E 'I/O error|EXT4-fs error|XFS.*[Cc]orrupt|BTRFS error|timed out' && return 1
    return 0
}
