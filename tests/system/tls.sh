#!/bin/bash
# tls.sh - do TLS, socket activation and access rules keep out whom they should?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdinfo nbdcopy certtool psktool systemd-socket-activate setpriv jq
needs_weir

disk open 1M
disk secret 2M '' 'allow = [ "tls" ];'
disk mine 3M '' "allow = [ \"uid:$(id -u)\" ];"
disk nobodys 4M '' 'allow = [ "uid:4000000", "gid:4000000" ];'
disk both 5M '' "allow = [ \"uid:4000000\", \"gid:$(id -g)\" ];"
size() { nbdinfo --size "$1" 2>/dev/null || echo refused; }
names() { nbdinfo --list --json "$1" | jq -r '[.exports[]."export-name"] | sort | join(" ")'; }

# Without TLS: what asks for it is neither served nor listed.
serve
assert_eq 1048576 "$(size "$(uri open)")" "open"
assert_eq refused "$(size "$(uri secret)")" "secret without TLS"
assert_eq 3145728 "$(size "$(uri mine)")" "my own"
assert_eq refused "$(size "$(uri nobodys)")" "another's"
assert_eq 5242880 "$(size "$(uri both)")" "one rule of two fits"
assert_eq 'both mine open' "$(names "$(uri)")" "the list shows what may be opened"
if [ "$(id -u)" = 0 ]; then
    chmod 777 "$work" && chmod 666 "$sock"
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    assert_eq 'open' "$(as_nobody nbdinfo --list --json "$(uri)" | jq -r '[.exports[]."export-name"] | join(" ")')" \
        "what nobody sees"
    ! as_nobody nbdinfo --size "$(uri mine)" >/dev/null 2>&1 || fail "nobody opened what is root's"
fi
stop_gateway

# Shared keys: a client with the key gets in, one without does not.
psktool -u alice -p "$work/keys.psk" >"$work/psktool.log" 2>&1
psktool -u alice -p "$work/wrong.psk" >"$work/psktool.log" 2>&1
gateway_answers=true serve --tls=require --tls-psk="$work/keys.psk"
assert_eq "$("$weirctl" export uri secret)" "nbds+unix:///secret?socket=$sock" "the URI that clients are told"
with_psk() { printf 'nbds+unix://alice@/%s?socket=%s&tls-psk-file=%s' "$1" "$sock" "$2"; }
assert_eq 2097152 "$(size "$(with_psk secret "$work/keys.psk")")" "secret with the key"
assert_eq refused "$(size "$(with_psk secret "$work/wrong.psk")")" "secret with another key"
assert_eq refused "$(size "$(uri open)")" "no plain client where TLS is required"
head -c 2M /dev/urandom >"$work/data"
nbdcopy "$work/data" "$(with_psk secret "$work/keys.psk")"
cmp "$work/data" "$disks/secret" || fail "TLS brought other bytes"
stop_gateway

# Certificates: of nbdkit's two ways the one that knows who the client is.
certificate() { # NAME TEMPLATE-LINES [CERTTOOL ARGUMENTS]
    local name=$1 lines=$2
    shift 2
    printf 'cn = "weir %s"\nexpiration_days = 2\n%b' "$name" "$lines" >"$pki/$name.template"
    certtool --generate-privkey --no-text --outfile "$pki/$name-key.pem" 2>>"$work/certtool.log"
    certtool "$@" --no-text --template "$pki/$name.template" --load-privkey "$pki/$name-key.pem" \
        --outfile "$pki/$name-cert.pem" 2>>"$work/certtool.log"
}
pki=$work/pki
mkdir "$pki"
certificate ca 'ca\ncert_signing_key\n' --generate-self-signed
signed=(--generate-certificate --load-ca-certificate "$pki/ca-cert.pem" --load-ca-privkey "$pki/ca-key.pem")
certificate server 'tls_www_server\nencryption_key\nsigning_key\ndns_name = localhost\n' "${signed[@]}"
certificate client 'tls_www_client\nencryption_key\nsigning_key\n' "${signed[@]}"
serve --tls=on --tls-certificates="$pki" --tls-verify-peer
assert_eq "$("$weirctl" export uri open)" "nbd+unix:///open?socket=$sock" "the URI where TLS is not a must"
with_certificate() { printf 'nbds+unix:///%s?socket=%s&tls-certificates=%s' "$1" "$sock" "$2"; }
assert_eq 2097152 "$(size "$(with_certificate secret "$pki")")" "secret with a certificate"
assert_eq refused "$(size "$(uri secret)")" "secret without TLS, where TLS is optional"
assert_eq 1048576 "$(size "$(uri open)")" "open without TLS, where TLS is optional"
mkdir "$work/no-client" && cp "$pki/ca-cert.pem" "$work/no-client"
assert_eq refused "$(size "$(with_certificate secret "$work/no-client")")" "secret without a client's certificate"
stop_gateway

# Socket activation: the service manager's socket, the gateway starts with the first client.
sock=$work/activated.sock
spawn activated systemd-socket-activate -l "$sock" -E PATH -E WEIR_RUN -E WEIR_STATE -E WEIR_FILTERS \
    -E LD_PRELOAD="$(_preload)" nbdkit -f "$plugin" conf="$work/weir.conf"
wait_until 60 listens "$sock"
assert_eq 1048576 "$(size "$(uri open)")" "open through socket activation"
assert_eq 3145728 "$(size "$(uri mine)")" "my own through socket activation"
assert_eq 'both mine open' "$(names "$(uri)")" "the list through socket activation"
