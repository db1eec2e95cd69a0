#!/bin/bash
# units.sh - would systemd take the units, confine them, and start a gateway by them?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires systemd-analyze systemd-socket-activate systemd-sysusers nbdinfo socat

units=$work/units
mkdir "$units"
cp "$WEIR_BUILD"/conf/weir*.service "$WEIR_BUILD"/conf/weir*.socket "$units"
# verify wants programs that exist; the installed ones do not yet
sed -i "s|^ExecStart=[^ ]*/weirfs|ExecStart=/bin/true|" "$units/weirfs.service"
sed -i "s|[^= ]*/weir-backoff |$WEIR_BUILD/conf/weir-backoff |" "$units/weir@.service"
sed -i "s|^\(Exec[A-Za-z]*=-\?\)[^ ]*/weirctl|\1/bin/true|" "$units/weir-attach@.service"

said=$(cd "$units" && systemd-analyze verify --man=no ./weir@one.service ./weir@one.socket \
    ./weirfs.service ./weir-attach@vm1.service 2>&1) || fail "verify: $said"
assert_eq "$said" "" "systemd-analyze verify has something to say"
systemd-sysusers --root="$work/root" --dry-run "$WEIR_SOURCE/conf/systemd/weir.sysusers" >/dev/null

# The exposure level, 0 to 10, of systemd-analyze security.
exposure() {
    systemd-analyze security --offline=true "$units/$1" | grep -o 'weir.*: [0-9.]*' | grep -o '[0-9.]*$'
}
level=$(exposure weir@.service)
echo "exposure of weir@.service: $level"
# 0.2 of it is openat2(), which RestrictSUIDSGID= takes away
[ "$(echo "$level" | tr -d .)" -le 18 ] || fail "weir@.service is open to $level, more than 1.8"
# 1.9 of what is left is a mount namespace, 0.5 the capability to mount, 0.5 the network that has no
# address here but AF_UNIX (PrivateNetwork= makes a mount namespace, too)
level=$(exposure weirfs.service)
echo "exposure of weirfs.service: $level"
[ "$(echo "$level" | tr -d .)" -le 33 ] || fail "weirfs.service is open to $level, more than 3.3"

level=$(exposure weir-attach@.service)
echo "exposure of weir-attach@.service: $level"
[ "$(echo "$level" | tr -d .)" -le 40 ] || fail "weir-attach@.service is open to $level, more than 4.0"

# A mount made in a mount namespace of its own is seen by nobody else.
! grep -E '^(Protect(System|Home|Proc|Kernel.*|Clock|ControlGroups|Hostname)|ProcSubset|Private(Tmp|Devices|Mounts|Network|IPC)|ReadWritePaths|BindPaths|TemporaryFileSystem|MountFlags)=' \
    "$units/weirfs.service" || fail "weirfs.service must not have a mount namespace"

# The gateway's own command, with this test's folders, on a socket that it inherits.
[ -f "$plugin" ] || skip "needs the plugin"
mkdir "$work/etc"
cat >"$work/etc/one.conf" <<CONF
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "disk"; datastore = "m"; size = "16M"; } );
CONF
command=$(sed -n 's/^ExecStart=//p' "$units/weir@.service" |
    sed "s|%i|one|g; s|/etc/weir|$work/etc|; s|/run/weir|$WEIR_RUN|; s|/var/lib/weir|$WEIR_STATE|; s|[^ ]*/nbdkit-weir-plugin.so|$plugin|")
sock=$work/one.sock
spawn notify socat -u UNIX-RECV:"$work/notify" -
wait_until 60 test -S "$work/notify"
# shellcheck disable=SC2086  # the words of a command
spawn gateway systemd-socket-activate -l "$sock" -E WEIR_FILTERS -E LD_PRELOAD="$(_preload)" \
    -E NOTIFY_SOCKET="$work/notify" $command
wait_until 60 listens "$sock"
wait_until 60 nbdinfo --size "nbd+unix:///disk?socket=$sock"
assert_eq "$(nbdinfo --size "nbd+unix:///disk?socket=$sock")" $((16 << 20)) "the size of the disk"
[ -S "$WEIR_RUN/ctl/one.sock" ] || fail "the gateway has no control socket named by the instance"
wait_until 60 grep -q 'READY=1' "$work/notify.log"
