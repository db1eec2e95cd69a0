#!/bin/bash
# access.sh - does each rule let in whom it names, and do the others learn and change nothing?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdinfo certtool psktool setpriv jq
needs_weir
[ "$(id -u)" = 0 ] || skip "needs root, to become others"

size() { nbdinfo --size "$1" 2>/dev/null || echo refused; }
names() { "$@" nbdinfo --list --json "$(uri)" | jq -r '[.exports[]."export-name"] | sort | join(" ")'; }
# becoming UID GID GROUPS COMMAND…: GROUPS are the others that the user is in, or none
becoming() {
    local groups=(--clear-groups)
    [ "$3" = none ] || groups=(--groups "$3")
    setpriv --reuid "$1" --regid "$2" "${groups[@]}" "${@:4}"
}
opens() { # WHO… EXPORT: by the size of each export it is seen which one was opened
    local export=${*: -1}
    "${@:1:$#-1}" nbdinfo --size "$(uri "$export")" 2>/dev/null || echo refused
}

# ---- users and groups, on exports whose names begin alike ----------------------------
disk vm 1M '' 'allow = [ "uid:30001" ];'
disk vm1 2M '' 'allow = [ "uid:30002", "gid:30010" ];'
_exports+=('{ name = "vm1/data"; datastore = "disks"; image = "data"; size = "3M"; allow = [ "uid:30001", "uid:30003" ]; }')
disk vm10 4M '' 'allow = [ "tls" ];'
disk everybodys 5M
serve
chmod 711 "$work" && chmod 666 "$sock"
while read -r uid gid groups vm vm1 data vm10 listed; do
    who=(becoming "$uid" "$gid" "$groups")
    for one in "vm $vm" "vm1 $vm1" "vm1%2Fdata $data" "vm10 $vm10" "everybodys 5242880"; do
        assert_eq "$(opens "${who[@]}" "${one% *}")" "${one#* }" "$uid:$gid (and $groups) opens ${one% *}"
    done
    assert_eq "$(names "${who[@]}")" "$(tr , ' ' <<<"$listed")" "what $uid:$gid (and $groups) is shown"
done <<END
30001 30001 none 1048576 refused 3145728 refused everybodys,vm,vm1/data
30002 30002 none refused 2097152 refused refused everybodys,vm1
30003 30010 none refused 2097152 3145728 refused everybodys,vm1,vm1/data
30004 30004 30010 refused refused refused refused everybodys
30004 30002 30001 refused refused refused refused everybodys
0 0 none refused refused refused refused everybodys
END

# ---- who is refused cannot tell that from a name that there is not --------------------
cat >ask.py <<'END'
"""ask.py SOCKET NAME…: what the server answers to NBD_OPT_GO, NBD_OPT_INFO and NBD_OPT_EXPORT_NAME"""
import socket, struct, sys
def exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            return got
        got += more
    return got
def ask(option, name):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    exactly(s, 18)
    body = name if option == 1 else struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
    s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", option, len(body)) + body)
    if option == 1:
        return "answer" if exactly(s, 10) else "closed"
    head = exactly(s, 20)
    if len(head) < 20:
        return "closed"
    kind, length = struct.unpack(">II", head[12:])
    return f"{kind:x}:" + repr(exactly(s, length)).replace(name.decode(), "NAME")
for name in sys.argv[2:]:
    print(*(ask(option, name.encode()) for option in (7, 6, 1)))
END
becoming 30004 30004 none /usr/bin/python3 - "$sock" vm nosuch 'vm@latest' 'nosuch@latest' everybodys <ask.py >answers
assert_eq "$(sed -n 1p answers)" "$(sed -n 2p answers)" "the answer to one who is refused, and to one who asks for nothing that is"
assert_eq "$(sed -n 3p answers)" "$(sed -n 4p answers)" "the same for points"
case $(sed -n 5p answers) in 3:*answer) ;; *) fail "ask.py does not see who is let in: $(sed -n 5p answers)" ;; esac

# ---- to be refused has no effect --------------------------------------------------------
connected() { for one in "$@"; do "$weirctl" --json export show "$one" | jq '.. | .connections? // empty'; done | jq -s add; }
assert_eq "$(connected vm vm1 vm1/data vm10)" 0 "connections of the refused"
assert_eq "$("$weirctl" --json export list | jq -r '.exports | length')" 5 "exports after refusals"
[ ! -e "$disks/vm@latest" ] || fail "a refused client made an image"

# ---- rules change live: for who comes, and not under who is here ------------------------
cat >stay.py <<'END'
import sys, nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    h.pwrite(b"x" * 512, 0)
    h.flush()
    print("wrote", flush=True)
END
mkfifo orders
becoming 30001 30001 none /usr/bin/python3 -c "$(cat stay.py)" "$(uri vm)" <orders >stay.log 2>&1 &
client=$!
exec 9>orders
cleanup_fn 'exec 9>&-' # the gateway ends when its clients have
wait_until 60 grep -q open stay.log
allow_vm() { # RULES: of vm, from the next reload
    sed -i "s/\(name = \"vm\";[^}]*allow = \[\) [^]]* \]/\1 $1 ]/" "$work/weir.conf"
    grep -q "allow = \[ $1 \]" "$work/weir.conf" || fail "weir.conf was not edited"
}
allow_vm '"uid:30004"'
if "$weirctl" reload >said 2>&1; then fail "the rules changed under a client"; fi
grep -q 'export "vm" changes in more than its policy while 1 client has it open' said || fail "$(cat said)"
assert_eq "$(opens becoming 30004 30004 none vm)" refused "before the rules were taken"
assert_eq "$(opens becoming 30001 30001 none vm)" 1048576 "before the rules were taken"
echo go >&9
wait_until 60 grep -q wrote stay.log
exec 9>&-
wait "$client" || fail "the client failed: $(cat stay.log)"
is_alone() { [ "$(connected vm)" = 0 ]; }
wait_until 60 is_alone
"$weirctl" reload >said 2>&1 || fail "$(cat said)"
assert_eq "$(opens becoming 30004 30004 none vm)" 1048576 "whom the new rules name"
assert_eq "$(opens becoming 30001 30001 none vm)" refused "whom they no longer name"
assert_eq "$(names becoming 30004 30004 none)" 'everybodys vm' "the list by the new rules"
# a rule that is none is refused with its place, and the old ones hold
allow_vm '"uid:30004", "usr:30001"'
if "$weirctl" reload >said 2>&1; then fail "a rule that is none was taken"; fi
grep -q 'weir.conf:[0-9]*:[0-9]*: .*"usr:30001" is no rule: there are "uid:USER"' said || fail "$(cat said)"
assert_eq "$(opens becoming 30004 30004 none vm)" 1048576 "the rules before the mistake"
stop_gateway

# ---- the only export is not shown to who may not have it, by the empty name either ------
rm "$work/weir.conf"
_exports=()
disk only 1M '' 'allow = [ "uid:30001" ];'
serve
chmod 666 "$sock"
assert_eq "$(opens becoming 30001 30001 none '')" 1048576 "the default export"
assert_eq "$(opens becoming 30002 30002 none '')" refused "the default export of another"
assert_eq "$(names becoming 30002 30002 none)" '' "what another is shown"
stop_gateway

# ---- certificates: who signed them, when, and for whom ---------------------------------
rm "$work/weir.conf"
_exports=()
disk tls 1M '' 'allow = [ "tls" ];'
disk dn 2M '' 'allow = [ "tls-dn:CN=weir client" ];'
certificate() { # FOLDER NAME LINES [CERTTOOL ARGUMENTS]
    local folder=$1 name=$2 lines=$3
    mkdir -p "$folder"
    printf 'cn = "weir %s"\n%b' "$name" "$lines" >"$folder/$name.template"
    certtool --generate-privkey --key-type ed25519 --no-text --outfile "$folder/$name-key.pem" 2>>certtool.log
    certtool "${@:4}" --no-text --template "$folder/$name.template" --load-privkey "$folder/$name-key.pem" \
        --outfile "$folder/$name-cert.pem" 2>>certtool.log
}
signed_by() { printf '%s\n' --generate-certificate --load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem"; }
certificate right ca 'ca\ncert_signing_key\nexpiration_days = 2\n' --generate-self-signed
certificate wrong ca 'ca\ncert_signing_key\nexpiration_days = 2\n' --generate-self-signed
mapfile -t right < <(signed_by right)
mapfile -t wrong < <(signed_by wrong)
certificate right server 'tls_www_server\nsigning_key\ndns_name = localhost\nexpiration_days = 2\n' "${right[@]}"
certificate right client 'tls_www_client\nsigning_key\nexpiration_days = 2\n' "${right[@]}"
certificate wrong client 'tls_www_client\nsigning_key\nexpiration_days = 2\n' "${wrong[@]}"
certificate expired client 'tls_www_client\nsigning_key\nactivation_date = "2001-01-01"\nexpiration_date = "2002-01-01"\n' "${right[@]}"
mkdir none
for folder in wrong expired none; do cp right/ca-cert.pem "$folder/ca-cert.pem"; done # they trust the server
with() { printf 'nbds+unix:///%s?socket=%s&tls-certificates=%s' "$1" "$sock" "$PWD/$2"; }
preload=$WEIR_BUILD/tests/system/peer-dn.so
export PEER_DN=$work/peer-dn
serve --tls=on --tls-certificates="$PWD/right" --tls-verify-peer
assert_eq "$(size "$(with tls right)")" 1048576 "the right certificate"
for one in wrong expired none; do
    assert_eq "$(size "$(with tls $one)")" refused "a certificate: $one"
done
assert_eq "$(size "$(uri tls)")" refused "no TLS"
# by the name in it, as an nbdkit that knows it says; the whole name, and nothing else
assert_eq "$(size "$(with dn right)")" refused "a name that nbdkit cannot tell"
while read -r expected dn; do
    echo "$dn" >"$PEER_DN"
    assert_eq "$(size "$(with dn right)")" "$expected" "by the name '$dn'"
done <<END
2097152 CN=weir client
refused CN=weir clien
refused CN=weir client2
refused CN=weir CLIENT
refused O=x,CN=weir client
refused
END
echo 'CN=weir client' >"$PEER_DN"
assert_eq "$(size "$(with dn wrong)")" refused "the right name, signed by another"
assert_eq "$(size "$(uri dn)")" refused "the right name without TLS"
assert_eq "$(nbdinfo --list --json "$(uri)" | jq '.exports | length')" 0 "what is shown without TLS"
stop_gateway
preload=''

# ---- shared keys: the user's name and key go together -----------------------------------
psktool -u alice -p keys.psk >psktool.log 2>&1
psktool -u bob -p keys.psk >>psktool.log 2>&1
sed -n 's/^alice/mallory/p' keys.psk >stranger.psk  # a name that the server does not know
sed -n 's/^alice/bob/p' keys.psk >mixed.psk         # bob, with alice's key
gateway_answers=true serve --tls=require --tls-psk="$work/keys.psk"
psk() { printf 'nbds+unix://%s@/tls?socket=%s&tls-psk-file=%s' "$1" "$sock" "$work/$2"; }
assert_eq "$(size "$(psk alice keys.psk)")" 1048576 "alice"
assert_eq "$(size "$(psk bob keys.psk)")" 1048576 "bob"
assert_eq "$(size "$(psk mallory stranger.psk)")" refused "a stranger with alice's key"
assert_eq "$(size "$(psk bob mixed.psk)")" refused "bob with alice's key"
assert_eq "$(size "$(psk alice keys.psk | sed s,/tls,/dn,)")" refused "a shared key has no name of a certificate"
