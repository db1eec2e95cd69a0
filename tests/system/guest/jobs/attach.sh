# attach.sh - does weirctl attach keep disks of the kernel through what happens to their gateway?
# SPDX-License-Identifier: BSD-3-Clause
#
# The host restarts the gateway where a line of this says so, and types one when it is done.
uri() { echo "nbd://10.0.2.100/$1"; }
fail() { echo "FAIL: $*"; weirctl attached; dmesg | tail -20; exit 1; }
# expect CODE PART WORDS…: weirctl must end so, and say that
expect() {
    local want=$1 part=$2 code=0; shift 2
    { weirctl "$@" || code=$?; echo; } >/run/said 2>&1
    [ $code = "$want" ] && grep -q -e "$part" /run/said || fail "weirctl $*: $code, $(cat /run/said)"
}
state() { weirctl attached | awk -v device="/dev/$1" '$1 == device {print $3}'; }
# comes STATE DEVICE
comes() {
    local n=0
    until [ "$(state "$2")" = "$1" ]; do
        n=$((n + 1))
        [ $n -lt 600 ] || fail "$2 never became $1"
        sleep 0.1
    done
}
reads() { dd if=/dev/"$1" of=/dev/null bs=4k count=1 skip="$2" iflag=direct 2>/dev/null; }
ask() { echo "$*"; read -r _; } # something of the host

# ---- before there is anything to attach to
expect 1 'modprobe nbd' attach "$(uri vm)"
modprobe nbd nbds_max=4
mkdir -m 777 /tmp/nobody
echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd
su nobody -c "weirctl --run=/tmp/nobody attach $(uri vm)" 2>/run/said && fail "anybody may attach"
grep -q CAP_SYS_ADMIN /run/said || fail "$(cat /run/said)"
expect 1 'cannot connect' attach "$(uri none)"

# ---- under load
expect 0 '^/dev/nbd0$' attach "$(uri vm)" --dead-timeout=600
expect 4 'attached already' attach "$(uri vm)"
expect 4 'attached already' attach "$(uri vm)" /dev/nbd1
expect 4 'attached already' attach "$(uri other)" /dev/nbd0
sh ./endure.sh nbd0 || exit
[ "$(state nbd0)" = connected ] || fail "after all it is $(state nbd0)"
weirctl attached

# ---- used, unwatched, and detached
mount /dev/nbd0 /mnt
expect 4 'in use' detach /dev/nbd0
kill -TERM "$(weirctl attached --json | sed 's/.*"pid":\([0-9]*\).*/\1/')"
comes unwatched nbd0
expect 0 '^/dev/nbd0$' attach "$(uri vm)"
comes connected nbd0
kill -KILL "$(weirctl attached --json | sed 's/.*"pid":\([0-9]*\).*/\1/')"
comes unwatched nbd0
ask RESTART unwatched
expect 0 '^/dev/nbd0$' attach nbd://10.0.2.100/vm /dev/nbd0
echo kept >/mnt/kept && sync /mnt/kept || fail "what is watched again does not work"
comes connected nbd0
umount /mnt
expect 0 '^$' detach /dev/nbd0
[ "$(cat /sys/block/nbd0/size)" = 0 ] || fail "it is there after detach"
expect 3 'is not attached' detach /dev/nbd0
[ -z "$(state nbd0)" ] || fail "it is listed after detach"

# ---- two connections
expect 0 '^/dev/nbd2$' attach "$(uri vm)" /dev/nbd2 --connections=2
reads nbd2 0 || fail "it cannot be read"
ask RESTART idle
reads nbd2 1 || fail "it cannot be read after a restart"
comes connected nbd2
ask RESTART idle
reads nbd2 2 || fail "it cannot be read after another"
expect 0 '^$' detach "$(uri vm)"

# ---- what all this is for
nbd-client 10.0.2.100 10809 /dev/nbd3 -N other >/run/said 2>&1 || fail "$(cat /run/said)"
reads nbd3 0 || fail "it cannot be read by nbd-client"
ask RESTART nbd-client
reads nbd3 1 && fail "nbd-client keeps disks, too: the manual says otherwise"
expect 4 '/dev/nbd3 is in use' attach "$(uri other)" /dev/nbd3
nbd-client -d /dev/nbd3

# ---- a disk that is another one when it comes back; then none comes back
for what in size none; do
    [ $what = size ] && seconds=20 || seconds=6 # in which it comes back, also where all is slow
    expect 0 '^/dev/nbd1$' attach "$(uri other)" /dev/nbd1 --dead-timeout=$seconds
    reads nbd1 0 || fail "it cannot be read"
    ask "GONE $what"
    since=$(cut -d. -f1 /proc/uptime)
    if [ $what = size ]; then
        until weirctl attached | grep -q 'came back with'; do sleep 0.1; done
        expect 4 'waits for its gateway' detach /dev/nbd1
    fi
    reads nbd1 1 && fail "$what: it was read"
    took=$(($(cut -d. -f1 /proc/uptime) - since))
    echo "FAILED $what after $took s"
    [ $took -lt 60 ] || fail "it took $took s"
    comes dead nbd1
    expect 0 '^$' detach /dev/nbd1
    ask BACK
done
expect 0 '^/dev/nbd1$' attach "$(uri other)" /dev/nbd1
reads nbd1 1 || fail "it cannot be attached again"
expect 0 '^$' detach /dev/nbd1 --force
exit 0
