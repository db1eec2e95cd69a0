#!/bin/bash
# keys-clevis.sh - does a Clevis binding give its passphrase, with Tang on loopback and Shamir's shares?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires clevis clevis-luks-bind jose socat curl cryptsetup

# A Tang server that has its keys; the port is what the kernel gives.
tang() {
    /usr/libexec/tangd-keygen "$work/tang" >/dev/null
    free_port
    tang_url=http://127.0.0.1:$port
    spawn tang socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" EXEC:"/usr/libexec/tangd $work/tang"
    tang_pid=$pid
    wait_until 60 curl -sf "$tang_url/adv"
}
bind() { clevis luks bind -y -k "$work/passphrase" -d "$image" "$@" >/dev/null; }
passphrase_of() { clevis luks pass -d "$image" -s "$1" | tr -d '\n' | digest; }

[ -x /usr/libexec/tangd ] || skip "needs tangd"
luks_image
mkdir "$work/tang"
tang

# an image without a binding
tokens
refused "clevis:" ENOENT "has no token of type clevis: clevis luks bind makes one"

curl -s "$tang_url/adv" >"$work/adv.json"
bind tang "{\"url\":\"$tang_url\",\"adv\":\"$work/adv.json\"}"
tokens
want=$(passphrase_of 1)
gives "clevis:" "$want"
gives "clevis:0" "$want"
gives "token:" "$want" # which knows what a token's type asks for
refused "clevis:5" ENOENT "has no token 5 of type clevis"

# shares: this server and one that is not there; any one is enough
bind sss "{\"t\":1,\"pins\":{\"tang\":[{\"url\":\"$tang_url\",\"adv\":\"$work/adv.json\"},
    {\"url\":\"http://127.0.0.1:1\",\"adv\":\"$work/adv.json\"}]}}"
tokens
gives "clevis:1" "$(passphrase_of 2)"

# a binding that was damaged, and one that would be more than a JWE to clevis
sed -i 's/"protected"/"protektet"/' "$work/tokens"
refused "clevis:0" EBADMSG "token 0 of type clevis holds no JWE"
printf '{"type":"clevis","keyslots":[],"jwe":{"protected":"a b"}}\n' >"$work/tokens"
refused "clevis:" EBADMSG "holds no JWE"

# the server is gone; its sentence is clevis' own
tokens
stop_pid "$tang_pid"
refused "clevis:0" EACCES "Error communicating with server"
