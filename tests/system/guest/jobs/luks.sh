# luks.sh - do dm-crypt and weir read each other's disks, and does a system run from one?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
#
# luks.sh SYSTEM NAME=DEVICE… NAME=DEVICE=BITS=SECTOR…: /job/key opens the first kind, and
# the second is formatted.  "SUM NAME SHA256" of all that is on each; the last half of the first
# kind, and all of the second, is written here.  Then a system is made on SYSTEM, with /job/markers
# in it, and takes over from the initramfs.
modprobe dm-crypt || exit
mkdir -p /run/cryptsetup
system=/dev/$1
shift

fill() { dd if=/dev/urandom of="$1" bs=1M seek="$2" count="$3" conv=fsync 2>/dev/null; }
for word; do
    name=${word%%=*} rest=${word#*=}
    device=/dev/${rest%%=*}
    if [ "$rest" != "${rest%=*}" ]; then
        bits=${rest#*=} sector=${rest##*=}
        cryptsetup luksFormat -q --pbkdf argon2id --pbkdf-memory 4096 --pbkdf-parallel 2 --pbkdf-force-iterations 4 \
            --key-size $((2 * ${bits%=*})) --sector-size "$sector" "$device" key || exit
        cryptsetup luksOpen --key-file key "$device" disk || exit
        fill /dev/mapper/disk 0 4 || exit
    else
        cryptsetup luksOpen --key-file key "$device" disk || exit
        echo "WAS $name $(sha256sum </dev/mapper/disk)"
        fill /dev/mapper/disk 2 2 || exit
    fi
    echo 1 >/proc/sys/vm/drop_caches
    echo "SUM $name $(sha256sum </dev/mapper/disk)"
    cryptsetup close disk || exit
done

# ---- a system whose root is the encrypted export
mkfs.ext4 -q "$system" && mkdir -p /run/root && mount "$system" /run/root && cd /run/root || exit
mkdir -p bin sbin dev proc sys tmp markers.d
cp /usr/bin/busybox bin/ && cp /job/markers . || exit
for applet in sh mount cp cat sync sha256sum awk poweroff stty grep dmesg mkdir; do ln -s busybox bin/$applet; done
awk 'NR % 100 == 1' markers | while read -r marker; do # names and small files, too
    mkdir "markers.d/$marker" && echo "$marker" >"markers.d/$marker/file" || exit
done
cat >sbin/init <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
work() {
    cp /markers /tmp/copy && sync || return
    mkdir /tmp/folder && cat /markers.d/*/file >/tmp/folder/small && sync || return
    echo 3 >/proc/sys/vm/drop_caches
    [ "$(sha256sum </markers)" = "$(sha256sum </tmp/copy)" ] || return
    [ "$(sha256sum </tmp/folder/small)" = "$(awk 'NR % 100 == 1' /tmp/copy | sha256sum)" ] || return
    mount -o remount,ro / || return
    dmesg | grep -E 'I/O error|EXT4-fs (error|warning)' && return 1
    echo "SYSTEM $(grep ' / ' /proc/mounts | grep -v rootfs)"
}
work
echo "GUEST-EXIT: $?"
sync
stty -echo </dev/console
poweroff -f
END
chmod +x sbin/init
cd / && sync
