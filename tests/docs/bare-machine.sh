#!/bin/bash
# bare-machine.sh - does the quick start work on a Debian 12 with none of the packages?
# SPDX-License-Identifier: BSD-3-Clause
#
# A fresh system, made by debootstrap, in a chroot with its own mounts and processes;
# first as an ordinary user, who is told what to type; then as root; then as the user.
# Fetches some 300 MiB from Debian's mirror: part of the soak suite.
. "$WEIR_SOURCE/tests/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root, for a chroot"
requires debootstrap unshare chroot git
[ -c /dev/fuse ] || skip "needs /dev/fuse"

# not below $work: that may be in memory, and this takes 1.5 GiB
bare=$(mktemp -d /var/tmp/weir-bare.XXXXXX)
cleanup_fn rm -rf --one-file-system "$bare"
chmod 755 "$bare" # it is / for somebody else
debootstrap --variant=minbase bookworm "$bare" >"$work/debootstrap.log" 2>&1 ||
    skip "debootstrap found no mirror"
cp /etc/resolv.conf "$bare/etc/resolv.conf"

mkdir "$bare/weir"
(cd "$WEIR_SOURCE" && git ls-files -z --cached --others --exclude-standard | tar --null -cf - -T -) |
    tar -C "$bare/weir" -xf -

cat >"$bare/inside" <<'SCRIPT'
set -eu
mount -t proc proc /proc
# as udev has it on Debian; in containers it may be root's alone
mknod -m 666 /fuse c 10 229
mount --bind /fuse /dev/fuse
# and what an installation has, without which nobody but root can unmount
[ -e /etc/mtab ] || ln -s /proc/self/mounts /etc/mtab
useradd -m -s /bin/bash somebody
as_somebody() { su - somebody -c "$1"; }

# try WHO: start, use, stop
try() {
    echo "--- as $1"
    "$2" /weir/conf/quickstart
    "$2" 'cd ~/.local/state/weir
        disk="nbd+unix:///disk?socket=$PWD/run/nbd.sock"
        set -ex
        head -c 4M /dev/urandom > image
        nbdcopy image "$disk"
        nbdcopy "$disk" - | head -c 4M | cmp - image
        test "$(cat fs/exports/disk/state)" = active
        test "$(cat fs/exports/disk/stats/write/bytes)" = 4194304
        bin/weirctl --run=run status'
    "$2" '/weir/conf/quickstart stop && ! grep weir /proc/self/mounts'
}
as_root() { HOME=/root bash -c "$1"; }

! command -v nbdkit && ! command -v gcc && ! command -v meson
status=0
said=$(as_somebody /weir/conf/quickstart 2>&1) || status=$?
echo "$said"
test $status = 3
grep -q 'sudo apt-get install .*nbdkit' <<<"$said"
try root as_root
try somebody as_somebody
echo "all of it works"
SCRIPT
mkdir -p "$bare/dev/shm"
unshare --mount --pid --fork --propagation private bash -c "
    mount --rbind /dev '$bare/dev' && chroot '$bare' bash /inside" >"$work/inside.log" 2>&1 ||
    fail "inside: $(tail -60 "$work/inside.log")"
grep -qx 'all of it works' "$work/inside.log" || fail "it ended early"
grep -E '^---|^Installing' "$work/inside.log"
