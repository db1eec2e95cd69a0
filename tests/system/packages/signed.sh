#!/bin/bash
# signed.sh - with require_signed, does nothing run that nobody trusted has signed?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq openssl
new_key maker; new_key stranger
mkdir "$work/trusted.d"
cp "$work/maker.pem" "$work/trusted.d/"
CONF_MORE='require_signed = true;'
policy with '{ filter = "packaged"; }'
disk first 8M with
disk second 8M with
write_conf
conf=--conf=$work/weir.conf
# what a constructor would leave behind, in weirctl as in the gateway
export WEIR_CONSTRUCTED=$work/constructed
package one --key="$work/maker.key"; signed=$package
package two; unsigned=$package
rm -f "$WEIR_CONSTRUCTED"
never_ran() { [ ! -e "$WEIR_CONSTRUCTED" ] || fail "it was loaded: $*"; }

# ---- the signature is what openssl says it is
tar --zstd -xOf "$signed" manifest >"$work/manifest"
tar --zstd -xOf "$signed" manifest.sig >"$work/manifest.sig"
openssl pkeyutl -verify -rawin -pubin -inkey "$work/maker.pem" -in "$work/manifest" -sigfile "$work/manifest.sig" >/dev/null ||
    fail "openssl does not know the signature"

# refused SENTENCE ARGUMENTS…: by the installer, and nothing of the package ran.
refused() {
    local sentence=$1; shift
    expect 4 filter "$@" "$conf"
    complains "$sentence"
    never_ran "$*"
    [ ! -e "$WEIR_FILTERS/weir-filter-packaged.so" ] || fail "it was installed: $*"
}
# repacked SIGNATURE: $signed with other bytes as the signature.
repacked() {
    rm -rf "$work/edit"; mkdir "$work/edit"
    tar --zstd -xf "$signed" -C "$work/edit"
    cp "$1" "$work/edit/manifest.sig"
    "${2:-true}"
    tar --zstd -cf "$work/packages/again.tar.zst" -C "$work/edit" manifest manifest.sig weir-filter-packaged.so
    again=$work/packages/again.tar.zst
}
refused "it is not signed" install "$unsigned"
openssl pkeyutl -sign -rawin -inkey "$work/stranger.key" -in "$work/manifest" -out "$work/strange.sig"
repacked "$work/strange.sig"
refused "it is signed by none of the 1 keys in" install "$again"
changed() { sed -i 's/Example/Exemple/' "$work/edit/manifest"; }
repacked "$work/manifest.sig" changed
refused "it is signed by none of the 1 keys in" install "$again"
changed() { printf x >>"$work/edit/weir-filter-packaged.so"; }
repacked "$work/manifest.sig" changed
refused "has" install "$again" # its size
changed() { truncate -s -1 "$work/edit/weir-filter-packaged.so"; printf '~' >>"$work/edit/weir-filter-packaged.so"; }
repacked "$work/manifest.sig" changed
refused "the digest of its manifest is not that of: weir-filter-packaged.so" install "$again"
printf 'no signature' >"$work/word"
repacked "$work/word"
refused "neither 64 bytes nor base64" install "$again"
chmod o+w "$work/trusted.d/maker.pem"
refused "maker.pem is left out" install "$signed"
chmod o-w "$work/trusted.d/maker.pem"
chmod g+w "$work/trusted.d"
refused "may be written by others" install "$signed"
chmod g-w "$work/trusted.d"
rm "$work/trusted.d/maker.pem"
refused "none of the 0 keys" install "$signed" # a key that was taken away
echo rubbish >"$work/trusted.d/maker.pem"
refused "maker.pem holds no Ed25519 public key in PEM" install "$signed"
mv "$work/trusted.d" "$work/aside.d"
refused "the folder of trusted keys, $work/trusted.d, cannot be read: No such file or directory" install "$signed"
mv "$work/aside.d" "$work/trusted.d"
cp "$work/maker.pem" "$work/trusted.d/"
expect 4 filter verify "$unsigned" "$conf"
expect 0 filter verify "$signed" "$conf"
says maker

# ---- base64 does as well, as openssl base64 writes it
openssl base64 -in "$work/manifest.sig" -out "$work/base64.sig"
repacked "$work/base64.sig"
expect 0 filter verify "$again" "$conf"

# ---- a gateway serves nothing unsigned
cp "$built/packaged-one.so" "$WEIR_FILTERS/weir-filter-packaged.so"
expect 4 check "$work/weir.conf"
complains "is refused, for require_signed is set and it is of no package"
never_ran check
serve
state() { "$weirctl" --json export show "$1" | jq -r .state; }
assert_eq "$(state first)" locked
[[ "$("$weirctl" --json export show first | jq -r .reason)" == *"require_signed is set"* ]] || fail "no reason"
never_ran "in the gateway"
# … until the very same file is a signed package's
expect 0 --json filter install "$signed" "$conf"
json 'd["signed_by"] == "maker"'
is_active() { [ "$(state "$1")" = active ]; }
wait_until 60 is_active first
[ -e "$WEIR_CONSTRUCTED" ] || fail "it serves without having been loaded"
rm "$WEIR_CONSTRUCTED"
expect 0 filter list "$conf"
says maker
assert_eq "$(compliance first)" compliant

# ---- the gateway judges for itself: an installer that asks for nothing gets nowhere
expect 4 filter upgrade "$unsigned"
complains "is refused, for require_signed is set"
assert_eq "$(runs first)" 1
package two --key="$work/stranger.key"
expect 4 filter upgrade "$package"
complains "signed by none of the 1 keys"
package two --key="$work/maker.key"
expect 0 filter upgrade "$package" "$conf"
assert_eq "$(runs first) $(compliance first)" "2 compliant"

# ---- a key that is taken away: what runs goes on and is told of; what starts does not run it
rm "$work/trusted.d/maker.pem"
assert_eq "$(compliance first)" non-compliant
[[ "$("$weirctl" --json export show first | jq -r .compliance_reason)" == *"none of the 0 keys"* ]] || fail "no reason"
expect 4 filter verify packaged "$conf"
stop_gateway
serve
assert_eq "$(state first)" locked
cp "$work/maker.pem" "$work/trusted.d/"
wait_until 60 is_active first
assert_eq "$(compliance first)" compliant

# ---- what is changed on disk does not start either
object=$(readlink -f "$WEIR_FILTERS/weir-filter-packaged.so")
stop_gateway
cp "$object" "$work/object"
printf x >>"$object"
serve
assert_eq "$(state first)" locked
[[ "$("$weirctl" --json export show first | jq -r .reason)" == *"does not match its manifest any more"* ]] || fail "no reason"
cp "$work/object" "$object"
wait_until 60 is_active first
