#!/bin/bash
# keys-pkcs11.sh - does a PKCS #11 token unwrap a passphrase, or give the one that it holds?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires softhsm2-util pkcs11-tool openssl
module=/usr/lib/softhsm/libsofthsm2.so

mkdir "$work/tokens"
export SOFTHSM2_CONF=$work/softhsm.conf
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' \
    "$work/tokens" >"$SOFTHSM2_CONF"
for label in weir other; do
    softhsm2-util --init-token --free --label $label --pin 1234 --so-pin 4321 >/dev/null
done
tool() { pkcs11-tool --module $module --token-label weir --login --pin 1234 "$@" >>"$work/tool.log" 2>&1; }
printf '1234\n' >"$work/pin"
printf '1235' >"$work/wrong"
chmod 600 "$work/pin" "$work/wrong"
head -c 33 /dev/urandom | base64 -w 0 >"$work/passphrase"
want=$(digest <"$work/passphrase")
pin="pin-source=file:$work/pin"

# what an administrator should do: a private key that never leaves the token
tool --keypairgen --key-type rsa:2048 --label kek --id 01
tool --read-object --type pubkey --id 01 --output-file "$work/kek.der"
openssl pkeyutl -encrypt -pubin -keyform DER -inkey "$work/kek.der" -pkeyopt rsa_padding_mode:oaep \
    -in "$work/passphrase" -out "$work/wrapped"
kek="pkcs11:token=weir;object=kek;type=private?$pin&x-wrapped=$work/wrapped"
copies=any # SoftHSM gives memory back in which the passphrase was
gives "$kek" "$want"
gives "$kek" "$want" # again: nobody is logged in that should not be
gives "$kek&module-name=softhsm2" "$want"
gives "$kek&module-path=$module" "$want"
gives "pkcs11:token=weir;id=%01;type=private?$pin&x-wrapped=$work/wrapped" "$want"

# an object that is the passphrase, and a key that may leave the token
tool --write-object "$work/passphrase" --type data --label held --private
gives "pkcs11:token=weir;object=held;type=data?$pin" "$want"
head -c 32 /dev/urandom >"$work/aes"
tool --write-object "$work/aes" --type secrkey --key-type AES:32 --label free --id 02 --extractable
gives "pkcs11:token=weir;object=free;type=secret-key?$pin" "$(digest <"$work/aes")"

# each thing that may be missing has its sentence
tool --keygen --key-type AES:32 --label kept --id 03 --sensitive
refused "pkcs11:token=weir;object=kept;type=secret-key?$pin" EACCES "does not give this object away"
refused "pkcs11:token=weir;object=none;type=data?$pin" ENOENT 'token "weir" has no such object'
refused "pkcs11:token=weir;object=held;type=data" ENOENT "give a pin-source if it is private"
refused "pkcs11:token=none;object=held;type=data?$pin" ENOENT "no module has a token of that name"
refused "pkcs11:token=weir;type=secret-key?$pin" ENOTUNIQ "several such objects"
refused "$kek&module-path=/missing.so" ENOENT 'the module "/missing.so" cannot be loaded'
refused "$kek&module-name=missing" ENOENT "no module has a token"
printf x >>"$work/wrapped"
refused "$kek" EACCES "cannot unwrap"
rm "$work/wrapped"
refused "$kek" ENOENT "the wrapped key \"$work/wrapped\" cannot be opened"

held="pkcs11:token=weir;object=held;type=data"
refused "$held?pin-source=file:$work/wrong" EKEYREJECTED "token \"weir\" refuses the PIN of file:$work/wrong"
gives "$held?$pin" "$want" # a wrong PIN leaves nothing behind
chmod 640 "$work/pin"
refused "$held?$pin" EACCES "the PIN of token \"weir\": the key file"
