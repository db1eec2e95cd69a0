#!/bin/bash
# one-folder.sh - may gateways keep their policies in one folder, as instances of weir@ in /etc/weir do?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
policies=$work/etc/policies.d
start_real name=one
sed 's/vm1/vm2/' "$work/etc/weir.conf" >"$work/etc/two.conf"
spawn two gateway_process -t 64 -U "$work/two.sock" "$plugin" conf="$work/etc/two.conf" name=two
two_pid=$pid
wait_until 60 nbdinfo --size "nbd+unix:///vm2?socket=$work/two.sock"
sed 's/vm1/vm3/; s/; policy = "gold"//; /^include/d' "$work/etc/weir.conf" >"$work/etc/three.conf"
spawn three gateway_process -t 64 -U "$work/three.sock" "$plugin" conf="$work/etc/three.conf" name=three
wait_until 60 nbdinfo --size "nbd+unix:///vm3?socket=$work/three.sock"
start_weirfs
runs() { # OPTION VALUE
    for disk in vm1 vm2; do is "$mnt/exports/$disk/filters/10-fault/options/$1" "$2"; done
}

# edited, and again; one that keeps no policies is no hindrance; made; renamed; gone
echo 'filters = ( { filter = "fault"; delay = "1ms"; } );' >"$mnt/policies/gold"
runs delay 1ms
grep -q 1ms "$policies/gold.conf" || fail "the edit is not kept"
echo 'filters = ( { filter = "fault"; delay = "2ms"; } );' >"$work/text"
"$weirctl" --gateway=one policy set gold "$work/text" # the other has to be told
"$weirctl" --gateway=two reload
runs delay 2ms
echo 'filters = ( { filter = "fault"; delay = "3ms"; } );' >"$mnt/policies/new"
for disk in vm1 vm2; do echo new >"$mnt/exports/$disk/policy"; done
runs delay 3ms
mv "$mnt/policies/idle" "$mnt/policies/busy"
assert_eq "$(cd "$mnt/policies" && echo *)" "busy gold new"
rm "$mnt/policies/gold"
assert_eq "$(cd "$policies" && echo *)" "busy.conf new.conf"

# what somebody else edits meanwhile is not lost
echo '# mine' >>"$policies/new.conf"
refused "Device or resource busy" tee "$mnt/policies/new" <<<'filters = ( );'
grep -q '^# mine' "$policies/new.conf" || fail "somebody's edit is lost"
runs delay 3ms

# but where nobody keeps any, that is said
stop_pid "$gateway_pid"
stop_pid "$two_pid"
wait_until 60 sh -c '! grep -q running "$1"/gateways/one/state && ! grep -q running "$1"/gateways/two/state' - "$mnt"
refused "Read-only file system" tee "$mnt/policies/gone" <<<'filters = ( );'
grep -q 'there is no folder to keep policy "gone" in' "$mnt/last_error" || fail "$(cat "$mnt/last_error")"
