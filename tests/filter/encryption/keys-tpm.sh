#!/bin/bash
# keys-tpm.sh - does a TPM 2.0 give the passphrase that systemd or Clevis has sealed by it?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires swtpm cryptsetup systemd-cryptenroll clevis-decrypt-tpm2 clevis-luks-bind tpm2_pcrextend

mkdir "$work/tpm"
spawn swtpm swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=unixio,path=$work/tpm.sock" \
    --ctrl "type=unixio,path=$work/tpm.sock.ctrl" --flags not-need-init,startup-clear
wait_until 60 listens "$work/tpm.sock.ctrl"
export TPM2TOOLS_TCTI=swtpm:path=$work/tpm.sock
luks_image

# systemd: token 0, by libcryptsetup's plugin, which looks for a TPM of the kernel's
PASSWORD=$(cat "$work/passphrase") systemd-cryptenroll --tpm2-device="swtpm:path=$work/tpm.sock" \
    --tpm2-pcrs=7 "$image" 2>/dev/null
tokens
[ -e /dev/tpmrm0 ] || refused token: ENOENT "token 0 of type systemd-tpm2: the device that it needs, as a TPM"

# Clevis: token 1, by the PCRs as they are
clevis luks bind -y -k "$work/passphrase" -d "$image" tpm2 '{"pcr_bank":"sha256","pcr_ids":"16"}' >/dev/null
tokens
want=$(clevis luks pass -d "$image" -s 2 | tr -d '\n' | digest)
gives clevis: "$want"
gives token: "$want" # one that cannot be used is not the end

# the machine booted something else: the TPM keeps what it has
tpm2_pcrextend "16:sha256=$(printf '%064d' 0)"
refused clevis: EACCES 'the command "/usr/bin/clevis" failed with exit code'
