#!/bin/bash
# several.sh - do the gateways that share a policy change together, or not at all?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_fake b vm2
start_weirfs
# ask NAME PATH: what the gateway itself says
ask() {
    python3 - "$WEIR_RUN/ctl/$1.sock" "$2" <<'PYTHON'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps(dict(op="get", path=sys.argv[2])).encode() + b"\n")
answer = json.loads(s.makefile().readline())
print(answer["text"] if answer["ok"] else answer["errno"], end="")
PYTHON
}
both() {
    assert_eq "$(ask a "policies/$1")" "$2" "gateway a, $1"
    assert_eq "$(ask b "policies/$1")" "$2" "gateway b, $1"
}
one='filters = ( { filter = "fault"; } );'
two='filters = ( { filter = "pass"; } ); # two'

echo "$one" >"$mnt/policies/gold"
both gold "$one"

# the second refuses after both said yes: the first gets back what it had
tell b "refuse-set the disk is full"
if echo "$two" | tee "$mnt/policies/gold" >/dev/null 2>&1; then fail "half a change succeeded"; fi
grep -q "the disk is full" "$mnt/last_error" || fail "last_error: $(cat "$mnt/last_error")"
tell b
both gold "$one"
is "$mnt/policies/gold" "$one"

# a new name is a policy of all of them; mv and cp alike
echo "$two" >"$mnt/policies/new"
both new "$two"
assert_eq "$(ls "$mnt/policies")" "$(printf '%s\n' gold idle new)"
echo "$one" >"$work/text"
mv "$work/text" "$mnt/policies/new"
both new "$one"
refused "Invalid argument" bash -c "echo 'filter = \"bogus\"' >$mnt/policies/newer"
[ ! -e "$mnt/policies/newer" ] || fail "a refused policy is there"
# what has no text is none
: >"$mnt/policies/empty"
both empty ENOENT
emptied() { : >"$mnt/policies/empty" && rm "$mnt/policies/empty"; } # within the seconds that it is there
wait_until 60 emptied

# mv over an unused policy with a text that is wrong: the old one is there again
echo 'filter = "bogus"' >"$work/text"
refused "Invalid argument" mv "$work/text" "$mnt/policies/new"
both new "$one"

# one that nobody uses can be removed, one that is in use is hidden for a while
rm "$mnt/policies/new"
both new ENOENT
[ ! -e "$mnt/policies/new" ] || fail "a removed policy is there"
# the while is over in seconds: who is slow to look tries again
hidden() { rm -f "$mnt/policies/gold" && [ ! -e "$mnt/policies/gold" ] && [ "$(ls "$mnt/policies")" = idle ]; }
wait_until 60 hidden
both gold "$one"
wait_until 60 test -e "$mnt/policies/gold"
is "$mnt/policies/gold" "$one"
# under another name: that of the old one stays, so nothing changes
refused "busy" mv "$mnt/policies/gold" "$mnt/policies/silver"
both silver ENOENT
both gold "$one"
mv "$mnt/policies/idle" "$mnt/policies/busy"
both idle ENOENT
both busy 'name = "idle";
filters = ( );'

# one that hangs might hold the policy: nothing is changed anywhere; a dead one is left out
unmount
wait "$weirfs_pid" || fail "weirfs ended with $?"
start_weirfs -o timeout=5000
tell b hang
refused "timed out" bash -c "echo '$two' >$mnt/policies/gold"
grep -q "gateway b does not answer" "$mnt/last_error" || fail "last_error: $(cat "$mnt/last_error")"
assert_eq "$(ask a policies/gold)" "$one" "gateway a"
kill -9 "$fake_pid"
wait "$fake_pid" 2>/dev/null || true
wait_until 60 file_is "$mnt/gateways/b/state" dead
echo "$two" >"$mnt/policies/gold"
assert_eq "$(ask a policies/gold)" "$two" "gateway a"
