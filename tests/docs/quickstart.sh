#!/bin/bash
# quickstart.sh - does README's first command work, twice, and stop cleanly?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires nbdcopy nbdinfo meson
"$WEIR_SOURCE/conf/get-packages" build run || skip "needs the packages of conf/packages"
[ -f "$plugin" ] && [ -x "$weirctl" ] || skip "needs the plugin and weirctl"

unset WEIR_RUN WEIR_STATE WEIR_FILTERS
export WEIR_HOME=$work/home
quickstart() { "$WEIR_SOURCE/conf/quickstart" "$@"; }
cleanup_fn quickstart stop

quickstart >"$work/first.log" 2>&1 || fail "start: $(cat "$work/first.log")"
disk="nbd+unix:///disk?socket=$WEIR_HOME/run/nbd.sock"
assert_eq "$(nbdinfo --size "$disk")" $((1 << 30)) "the size of the disk"
quickstart status >"$work/status.log" || fail "status: $(cat "$work/status.log")"
read -r gateway <"$WEIR_HOME/gateway.pid"

head -c 8M /dev/urandom >"$work/image"
nbdcopy "$work/image" "$disk"
nbdcopy "$disk" - | head -c 8M | cmp - "$work/image" || fail "what was written is not what is read"
if [ -r /dev/fuse ]; then
    assert_eq "$(cat "$WEIR_HOME/fs/exports/disk/stats/write/bytes")" $((8 << 20)) "bytes written"
fi

# again: what runs keeps running, what was edited stays
echo "# mine" >>"$WEIR_HOME/weir.conf"
quickstart >/dev/null 2>&1
assert_eq "$(cat "$WEIR_HOME/gateway.pid")" "$gateway" "a second start"
grep -qx '# mine' "$WEIR_HOME/weir.conf" || fail "a second start undid an edit"

# what it says to type names things that are there
for word in $(grep -oE "$WEIR_HOME/[^ '?,]*" "$work/first.log" | sort -u); do
    [ -r /dev/fuse ] || case $word in "$WEIR_HOME"/fs/*) continue ;; esac
    [ -e "$word" ] || fail "it speaks of $word, which is not there"
done

quickstart stop >/dev/null
! kill -0 "$gateway" 2>/dev/null || fail "the gateway still runs"
! grep -qF "$WEIR_HOME" /proc/self/mounts || fail "the mount is still there"
! quickstart status >/dev/null || fail "status of what is stopped"
quickstart stop >/dev/null || fail "a second stop"

# the disk is still there after a new start
quickstart >/dev/null 2>&1
nbdcopy "$disk" - | head -c 8M | cmp - "$work/image" || fail "the disk has changed"
quickstart stop >/dev/null
