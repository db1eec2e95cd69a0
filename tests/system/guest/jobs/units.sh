# units.sh - do weir's units do what they are for, where PID 1 is systemd?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
#
# Runs as root in the system of build-systemd, which has weir as "meson install" leaves it.  /dev/vdb
# is a disk for the gateway.  The last step is a power-off with a file system in use; the host
# looks at what that left.
exec >/dev/console 2>&1 </dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LC_ALL=C SYSTEMD_PAGER= SYSTEMD_COLORS=0
cd /root || exit
units='weir@weir.service weir@weir.socket weir@far.service weir@far.socket weirfs.service weir-attach@device.service'
url() { echo "nbd+unix:///$1?socket=/run/weir/${2:-weir}.sock"; }
fs=/run/weir/fs
step() { echo "STEP $* ($(cut -d' ' -f1 /proc/uptime) s)"; }
fail() {
    # shellcheck disable=SC2086 # one word each
    systemctl status --full --lines=0 $units
    systemctl list-jobs
    systemctl list-units --failed
    journalctl --boot --output=short-monotonic --lines=100
    echo "FAIL: $*"
    echo "GUEST-EXIT: 1"
    poweroff -f
}
same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }
value() { systemctl show --property="$2" --value "$1"; } # UNIT PROPERTY
wait_for() { # COMMAND…: polls; minutes end what is broken
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 900 ] || fail "never became true: $*"
        sleep 0.2
    done
}

# ---- as README says under "For good"
step install
systemd-sysusers && systemd-tmpfiles --create || fail "sysusers, tmpfiles"
cp -r /usr/local/share/weir/* /etc/weir/ || fail "no example configuration is installed"
. /job/units-conf.sh
for gateway in weir far; do
    said=$(weirctl check /etc/weir/$gateway.conf 2>&1) || fail "$gateway.conf is refused: $said"
done
systemctl daemon-reload
systemctl enable --now weir@weir.socket weir@far.socket weirfs.service || fail "the units do not start"
same "$(value weir@weir.service ActiveState)" inactive "the gateway, with no client"

# ---- the first client starts it
step activate
same "$(nbdinfo --size "$(url example)")" $((16 << 20)) "the size of the example's disk"
wait_for systemctl is-active weir@weir.service
pid=$(value weir@weir.service MainPID)
same "$(stat -c %U:%G "/proc/$pid")" weir:weir "who the gateway is"
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
same "$(status NoNewPrivs) $(status Seccomp) $(status CapEff)$(status CapBnd)" \
    "1 2 00000000000000000000000000000000" "NoNewPrivs, Seccomp, CapEff and CapBnd of the gateway"
awk '$5 == "/" {split($6, o, ","); exit o[1] != "ro"}' "/proc/$pid/mountinfo" || fail "the gateway may write to /"

step disks
wait_for systemctl is-active weir@far.service # the filter "replication" has connected
head -c $((2 << 20)) /dev/urandom >random
for disk in example sealed keyfile fast sent device; do
    nbdcopy --flush random "$(url $disk)" && nbdcopy "$(url $disk)" back && cmp -n $((2 << 20)) random back ||
        fail "$disk: $(cat $fs/exports/$disk/state $fs/exports/$disk/last_error)"
done

step replication
replicated() { nbdcopy "$(url sent@latest far)" back && cmp -n $((2 << 20)) random back; }
wait_for replicated

# ---- the mount
step mount
same "$(cat $fs/exports/example/stats/write/bytes)" $((2 << 20)) "what the mount says was written"
echo 'name = "mine"; filters = ( { filter = "control"; iops = 50; } );' >$fs/policies/mine ||
    fail "a policy cannot be written: $(cat $fs/last_error)"
echo mine >$fs/exports/example/policy || fail "it cannot be chosen: $(cat $fs/last_error)"
same "$(cat $fs/exports/example/filters/*-control/options/iops)" 50 "the option of the new policy"
grep -q 'iops = 50' /etc/weir/policies.d/mine.conf || fail "the policy is not kept"
echo 'name = "mine"; filters = ( { filter = "control"; iops = 60; } );' >$fs/policies/mine
same "$(cat $fs/exports/example/filters/*-control/options/iops)" 60 "the option of the changed policy"
systemctl kill --signal=KILL weirfs.service
restarted() { [ "$(value "$1" NRestarts)" = "$2" ]; }
wait_for restarted weirfs.service 1
wait_for test -e $fs/exports/example/state

# ---- a disk of this kernel, through gateways that are killed
step attach
systemctl daemon-reload
systemctl start weir-attach@device.service || fail "no attached disk"
mkfs.ext4 -q /dev/nbd0 || fail "mkfs on /dev/nbd0"
systemctl start mnt-disk.mount || fail "a mount by fstab"
(
    n=0
    while [ ! -e stop ]; do
        n=$((n + 1))
        echo "$n" >>/mnt/disk/log && sync /mnt/disk/log && echo $n >new && mv new last && continue
        echo "after $n" >broken
        break
    done
) &
beyond() { [ "$(cat last)" -gt "$1" ]; }
wait_for beyond 5
for round in 1 2; do
    systemctl kill --kill-who=main --signal=KILL weir@weir.service
    before=$(cat last)
    wait_for beyond $((before + 3))
    echo "KILLED $round at record $before"
done
touch stop
wait
[ ! -e broken ] || fail "an I/O error: $(cat broken)"
same "$(value weir@weir.service NRestarts) $(value weir@weir.service ActiveState)" "2 active" "restarts"

# ---- stopped, and begun again
step stop
systemctl stop mnt-disk.mount && systemctl stop weir-attach@device.service || fail "the disk is not given back"
same "$(value weir-attach@device.service Result) $(cat /sys/block/nbd0/size)" "success 0" "how the disk was detached"
systemctl stop weir@weir.socket weir@weir.service
same "$(value weir@weir.service Result) $(value weir@weir.service ExecMainStatus) $(value weir@weir.service ActiveState)" \
    "success 0 inactive" "how the gateway ended"
[ ! -e /run/weir-backoff/weir ] || fail "the memory of weir-backoff outlives the unit"
systemctl start weir@weir.socket
for disk in example sealed keyfile fast sent; do
    nbdcopy "$(url $disk)" back && cmp -n $((2 << 20)) random back || fail "$disk after a restart: $(cat $fs/exports/$disk/last_error)"
done

# ---- a host that goes down in the middle of work
step power-off
systemctl start mnt-disk.mount || fail "a mount by fstab pulls its disk"
same "$(tail -n 1 /mnt/disk/log)" "$(cat last)" "the last record"
cp random /mnt/disk/unsynced
echo "UNSYNCED $(sha256sum <random)"
echo "GUEST-EXIT: 0"
systemctl poweroff
