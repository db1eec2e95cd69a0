#!/bin/bash
# luks1.sh - does weir open what `qemu-img create -f luks` made, and QEMU what weir wrote there?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
requires qemu-img qemu-io
secret="secret,id=key,file=$work/key"
image="driver=luks,key-secret=key,file.filename=$disk"

# create CIPHER: again while QEMU says that it cannot measure its pbkdf, on a busy machine
create() {
    rm -f "$disk"
    qemu-img create -q -f luks --object "$secret" -o "key-secret=key,cipher-alg=$1,iter-time=10" "$disk" 8M
}

for cipher in aes-128 aes-256; do
    wait_until 60 create $cipher
    qemu-io --object "$secret" --image-opts "$image" -c 'write -P 0x5a 1M 1M' \
        -c 'write -P 0x3c 1536k 512' >/dev/null
    SIZE=$(stat -c %s "$disk")
    serve "$(encrypted)"
    assert_eq "$(nbdinfo --size "$url")" $((8 << 20)) "the size"
    assert_eq "$(statistic encryption sector_size)" 512 sector_size
    nbd '
expect(h.pread(1 << 20, 1 << 20), b"\x5a" * (512 << 10) + b"\x3c" * 512 + b"\x5a" * ((512 << 10) - 512))
h.pwrite(b"\x77" * 5000, 70001)
h.pwrite(b"\x66" * 65536, 3 << 20)
h.flush()
'
    stop_gateway
    qemu-io --object "$secret" --image-opts "$image" -c 'read -P 0x77 70001 5000' \
        -c 'read -P 0x66 3M 64k' -c 'read -P 0x5a 1M 512k' >"$work/said"
    ! grep -qi 'verification failed\|error' "$work/said" || fail "$cipher: $(cat "$work/said")"
done
