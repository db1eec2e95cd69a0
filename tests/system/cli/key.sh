#!/usr/bin/env bash
# key.sh - is what is said of keys shown word for word, is a secret never, and is a deep rekey watched?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main --idle --exports=vm1,vm2,vm3 --encrypted=vm1,vm2 --deep="$work/deep"
# verbs EXPORT: what its filter was told until now, but for status
verbs() {
    python3 "$WEIR_SOURCE/tests/filter/ctl.py" set "exports/$1/filters/00-encryption/ctl" verbs | grep -vx verbs
}

# ---- status of all and of one
expect 0 key status
assert_eq "$out" "\
EXPORT  STATE     REKEY  SECTOR  CIPHER                            KEY
vm1     unlocked      -    4096  aes-xts-plain64, key of 512 bits  file:/etc/weir/old.key
vm2     unlocked      -    4096  aes-xts-plain64, key of 512 bits  file:/etc/weir/old.key"
expect 0 --json key status
json '[e["export"] for e in d["keys"]] == ["vm1", "vm2"]'
same='"gateway": "main", "filter": "encryption", "key": "file:/etc/weir/old.key", "state": "unlocked",
    "cipher": "aes-xts-plain64, key of 512 bits", "key_provider": "file", "sector_size": 4096,
    "rekey_progress_percent": 100'
json 'd["keys"][1] == {"export": "vm2", '"$same}"
expect 0 key status vm1
assert_eq "$out" "\
state: unlocked
key: file:/etc/weir/old.key
header: LUKS2, 1234
slot 0: argon2id, opened the disk
slot 2: pbkdf2"
expect 0 --json key status vm1
json 'd["keys"] == [{"export": "vm1", '"$same"', "header": "LUKS2, 1234",
    "slots": [{"slot": 0, "about": "argon2id, opened the disk"}, {"slot": 2, "about": "pbkdf2"}]}]'
expect 3 key status vm3
complains 'export "vm3" has no filter of class encryption: { filter = "encryption"'
expect 3 key lock vm3
expect 3 key lock vm4
complains 'no export "vm4"'

# ---- each verb, told once
expect 0 key add vm2 file:/etc/weir/new.key
assert_eq "$out" "add done"
expect 0 --json key remove vm2 2
json 'd == {"gateway": "main", "export": "vm2", "done": "remove", "text": "remove done"}'
for verb in format lock unlock; do
    expect 0 key $verb vm2
    assert_eq "$out" "$verb done"
done
expect 3 key add vm2 file:/missing
complains 'weirctl: add: there is no file /missing'
assert_eq "$(verbs vm2)" "\
add file:/etc/weir/new.key
remove 2
format
lock
unlock
add file:/missing"

# ---- rekey: a slot for the new key, the option, the old slot; one that is refused changes nothing
expect 3 key rekey vm1 file:/missing
expect 0 export option vm1 encryption key
assert_eq "$out" file:/etc/weir/old.key "the option after a rekey that was refused"
expect 0 key rekey vm1 exec:/usr/bin/ask\ vm1
assert_eq "$out" "rekey done"
expect 0 export option vm1 encryption key
assert_eq "$out" "exec:/usr/bin/ask vm1" "the option after a rekey"
expect 0 key rekey vm1 exec:/usr/bin/ask\ vm1 # it is named already
assert_eq "$(verbs vm1 | grep -v status)" "\
rekey file:/missing
rekey exec:/usr/bin/ask vm1
rekey exec:/usr/bin/ask vm1
rekey exec:/usr/bin/ask vm1"

# ---- what may be a secret is not repeated and reaches nobody
told=$(verbs vm1)
for secret in 'hunter2' 'open:sesame' 'files:/etc/key' ':x' '' 'FILE:/etc/key' 'file'; do
    for words in "add vm1" "rekey vm1"; do
        # shellcheck disable=SC2086
        expect 2 key $words "$secret"
        complains 'begins with one of file:, credential:, keyring:, exec:, pkcs11:, token:, clevis:; yours does not'
        [ -z "$secret" ] || [ "$secret" = file ] || ! grep -qF -- "$secret" <<<"$err$out" ||
            fail "'$secret' is repeated: $err"
        # shellcheck disable=SC2086
        expect 2 --json key $words "$secret"
        json '"not repeated" in d["error"]["message"]'
    done
done
expect 2 key remove vm1 hunter2
! grep -q hunter2 <<<"$err$out" || fail "the word is repeated: $err"
complains 'weirctl key status vm1 shows it'
assert_eq "$(verbs vm1)" "$told" "what was refused reached the gateway"
for provider in credential:vm1 keyring:user:vm1 'pkcs11:token=t;object=o' token: clevis:3; do
    expect 0 key add vm1 "$provider"
done
# the providers are those of the filter
assert_eq "$(sed -n 's/^ \*   \([a-z0-9]*\):.*/\1/p' "$WEIR_SOURCE/filters/encryption/keys.h" | paste -sd' ')" \
    "$(grep KEY_PROVIDERS "$WEIR_SOURCE/gateway/weirctl/key.h" | grep -o '"[^"]*"' | tr -d '"' | paste -sd' ')" "providers"

# ---- words that do not go together
expect 2 key rekey vm1
complains 'rekey needs KEY'
expect 2 key rekey vm1 hunter2 --deep
complains 'not repeated'
expect 2 key add vm1 file:/k --deep
complains '"key add" does not take --deep'

# ---- deep: over at once; watched by a person, as lines and on a terminal; by a program; not for ever
expect 0 key rekey vm2 --deep
assert_eq "$out$err" "\
the disk gets a new volume key
the whole disk has the new volume key"
expect 3 key rekey vm2 file:/missing --deep
expect 0 key rekey vm2 file:/etc/weir/other.key --deep
assert_eq "$(verbs vm2 | tail -5)" "\
rekey-deep file:/etc/weir/old.key
rekey file:/missing
rekey file:/etc/weir/other.key
rekey file:/etc/weir/other.key
rekey-deep file:/etc/weir/other.key"
echo 37 >"$work/deep"
spawn person "$weirctl" key rekey vm2 --deep
person=$pid
spawn program "$weirctl" --json key rekey vm2 --deep
program=$pid
wait_until 60 grep -q 'rekeying vm2: 37 %, [1-9][0-9]* s' "$work/person.log"
expect 0 key status
says "vm2     rekeying    37%    4096"
expect 5 --timeout=0.1 key rekey vm2 --deep
complains '37 % of "vm2" have the new volume key, and the work goes on without weirctl'
requires tmux
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux -u new-session -d -x 70 -y 10 -s wide \
    "env LC_ALL=C.UTF-8 $weirctl key rekey vm2 --deep; echo ended with \$?; cat"
shows() { $tmux capture-pane -p -t wide | grep -q "$1"; }
wait_until 60 shows 'rekeying vm2  \[█████████████ *\]  37 %  [0-9]* s$'
echo 100 >"$work/deep"
wait_until 60 shows 'rekeying vm2  \[[^ ]*\]  100 %'
rm "$work/deep"
wait_until 60 shows 'ended with 0'
shows 'whole disk has the new volume key' || fail "the end is not said"
! shows 'rekeying' || fail "the bar is still there"
wait "$person" || fail "a deep rekey failed for a person"
wait "$program" || fail "a deep rekey failed for a program"
assert_eq "$(cat "$work/program.log")" \
    '{"gateway":"main","export":"vm2","done":"rekey-deep","text":"the disk gets a new volume key"}'

# ---- it ends otherwise: it pauses, the disk is locked, or the gateway goes away
echo 50 no space below >"$work/deep"
expect 1 key rekey vm2 --deep
complains '50 % of "vm2" have the new volume key, and it pauses: no space below'
$tmux -u new-session -d -x 150 -y 10 -s paused "$weirctl key rekey vm2 --deep; echo ended with \$?; cat"
wait_until 60 bash -c "$tmux capture-pane -p -t paused | grep -q 'ended with 1'"
$tmux capture-pane -p -t paused | grep -q '^weirctl: 50 %.*it pauses' || fail "the bar has wiped what was said"
ends_badly() { # CODE WORDS, after what is done meanwhile
    code=0
    wait "$person" || code=$?
    assert_eq "$code" "$1" "exit code"
    grep -qF -- "$2" "$work/person.log" || fail "'$2' is not in: $(cat "$work/person.log")"
}
echo 50 >"$work/deep"
spawn person "$weirctl" key rekey vm2 --deep
person=$pid
wait_until 60 grep -q '50 %' "$work/person.log"
expect 0 key lock vm2
ends_badly 1 '"vm2" is locked and was not rekeyed to its end: weirctl key status vm2 says why'
spawn person "$weirctl" key rekey vm1 --deep
person=$pid
wait_until 60 grep -q '50 %' "$work/person.log"
stop_pid "${_pids[0]}"
ends_badly 1 'gateway "main"'
expect 1 key status
complains 'no gateway runs'
