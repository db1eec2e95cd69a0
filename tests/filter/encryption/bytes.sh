#!/bin/bash
# bytes.sh - are the bytes those of the format, written here and read there, and the reverse?
# SPDX-License-Identifier: BSD-3-Clause
#
# "There" is luks.py, which shares no code with weir or libcryptsetup.  The image is made by weir and
# by cryptsetup, for both key sizes and both sector sizes.
SIZE=17M # 1 for the guest: luks.py is slow
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"
size=$((1 << 20))

both_ways() { # WHAT
    yes "plain-text marker in what $1 wrote" | head -c $size >"$work/data"
    nbdcopy "$work/data" "$url"
    luks read "$disk" "$work/key" 0 $size | cmp - "$work/data" || fail "$1: not what weir wrote"
    ! grep -qaF "plain-text marker" "$disk" || fail "$1: plain text is in the image"
    nbdcopy "$url" - | cmp - "$work/data" || fail "$1: weir does not read what it wrote"
    head -c $size /dev/urandom >"$work/other"
    stop_gateway
    luks write "$disk" "$work/key" 0 <"$work/other"
    serve "$(encrypted)"
    nbdcopy "$url" - | cmp - "$work/other" || fail "$1: weir does not read what was written"
    stop_gateway
}

for bits in 128 256; do
    for sector in 512 4096; do
        no_disk
        serve "$(formatted "key_bits = $bits; sector_size = \"$sector\";")"
        assert_eq "$(statistic encryption sector_size)" $sector "sector_size"
        assert_eq "$(statistic encryption cipher)" "aes-xts-plain64, key of $((2 * bits)) bits" cipher
        both_ways "weir's $bits $sector"
        key=$(luks volume-key "$disk" "$work/key")
        assert_eq "$(PATH=$PATH:/usr/sbin:/sbin cryptsetup luksDump -q --dump-volume-key --key-file "$work/key" "$disk" |
            sed -n '/^MK dump/,$p' | sed 's/MK dump://' | tr -d ' \t\n')" "$key" "cryptsetup opens weir's header"
        rm "$disk"
        truncate -s 17M "$disk"
        luks_format "$disk" "$work/key" $bits $sector
        serve "$(encrypted)"
        both_ways "cryptsetup's $bits $sector"
    done
done
