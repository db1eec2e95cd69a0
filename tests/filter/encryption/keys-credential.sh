#!/bin/bash
# keys-credential.sh - is a credential what systemd-creds reads, in a folder as systemd makes it?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires systemd-creds

mkdir "$work/credentials"
head -c 64 /dev/urandom >"$work/credentials/vm1.key"
chmod 400 "$work/credentials/vm1.key"
chmod 500 "$work/credentials"
cleanup_fn "chmod 700 $work/credentials"
refused credential:vm1.key ENOENT "add LoadCredential=vm1.key:PATH to its systemd unit"
export CREDENTIALS_DIRECTORY=$work/credentials
gives credential:vm1.key "$(systemd-creds cat vm1.key | digest)"
refused credential:vm2.key ENOENT "no credential of that name"
# a command of exec: may use it
gives "exec:/usr/bin/systemd-creds cat vm1.key" "$(digest <"$work/credentials/vm1.key")"
