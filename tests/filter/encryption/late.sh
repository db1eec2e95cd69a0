#!/bin/bash
# late.sh - does a disk whose key is late come by itself, and is nobody else kept waiting for it?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
again="tried again by itself"
unlocked() { [ "$(statistic encryption state)" = unlocked ] && [ "$(state)" = active ]; }

# ---- the file of the key is on what is mounted later: a new disk, and one that is known
mv "$work/key" "$work/away"
serve "$(formatted)"
assert_locked "$again"
assert_locked "$work/key"
mv "$work/away" "$work/key"
wait_until 60 unlocked
nbd 'h.pwrite(block, 0); h.flush()'
stop_gateway
mv "$work/key" "$work/away"
serve "$(encrypted)"
assert_locked "$again"
refused "rekey file:$work/key" "unlock it first"
mv "$work/away" "$work/key"
wait_until 60 unlocked
nbd 'expect(h.pread(4096, 0), block)'

# ---- unlock asks at once; when it is late then, too, it is asked for again
verb encryption lock >/dev/null
mv "$work/key" "$work/away"
refused unlock "$again"
mv "$work/away" "$work/key"
wait_until 60 unlocked

# ---- who locks the disk is not undone by a key that comes; another option is asked at once
verb encryption lock >/dev/null
mv "$work/key" "$work/away"
refused unlock "$again"
verb encryption lock >/dev/null
assert_locked "the verb lock took the key away"
refused unlock "$again"
option encryption key "file:$work/away"
wait_until 60 unlocked
mv "$work/away" "$work/key"
stop_gateway

# ---- a wrong key is no late one; nor is one of somebody who may count wrong answers
rm -rf "$work/overrides.d"
new_key wrong
serve "{ filter = \"encryption\"; key = \"file:$work/wrong\"; }"
assert_locked "key slot"
case $(why_locked) in *"$again"*) fail "a wrong key is asked for again" ;; esac
stop_gateway
printf '#!/bin/sh\necho wrong PIN >&2\nexit 77\n' >"$work/hook"
chmod 700 "$work/hook"
serve "{ filter = \"encryption\"; key = \"exec:$work/hook\"; }"
assert_locked "wrong PIN"
case $(why_locked) in *"$again"*) fail "a token that counts is asked again" ;; esac
stop_gateway

# ---- a key that takes its time: the other disk is served meanwhile, and this one when it comes
mkfifo "$work/answer"
printf '#!/bin/sh\necho $$ >%s/asked\nexec cat %s/answer\n' "$work" "$work" >"$work/hook"
serve_two() {
    cat >"$work/two.conf" <<END
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; policy = "p"; },
            { name = "vm2"; datastore = "disks"; image = "vm2"; size = "1M"; } );
include_policies = "policies.d";
END
    cat >"$work/policies.d/p.conf" <<END
name = "p"; filters = ( { filter = "encryption"; key = "exec:$work/hook"; key_timeout = "30m"; } );
END
    rm -f "$work/asked"
    start_gateway "$work/two.conf"
    url=$(uri vm1)
    wait_until 60 test -s "$work/asked"
}
serve_two
assert_locked "the key has not come yet"
nbdsh -u "$(uri vm2)" -c 'h.pwrite(b"x" * 512, 0)'
verb encryption status | grep -q "^slot 0:" || fail "status has no slots while the key is asked for"
cat "$work/key" >"$work/answer"
wait_until 60 unlocked
nbd 'expect(h.pread(4096, 0), block)'
stop_gateway

# ---- the gateway stops while it is asked for: at once, and who was asked ends, too
serve_two
hook=$(cat "$work/asked")
kill "$gateway_pid"
ended() { ! alive "$gateway_pid"; }
wait_until 60 ended
! kill -0 "$hook" 2>/dev/null || fail "who was asked for the key goes on"

# ---- lock ends the question, too
serve_two
hook=$(cat "$work/asked")
verb encryption lock >/dev/null
! kill -0 "$hook" 2>/dev/null || fail "who was asked for the key goes on after lock"
assert_locked "the verb lock took the key away"
