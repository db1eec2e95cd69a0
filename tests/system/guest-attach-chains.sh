#!/bin/bash
# guest-attach-chains.sh - does the kernel's own client get along with every chain?
# SPDX-License-Identifier: BSD-3-Clause
#
# guest-attach-chains.sh [CHAIN…]: each attached by weirctl in a guest, with ext4 and xfs in turns.
. "$WEIR_SOURCE/tests/system/system.sh" || exit
. "$here/chains.sh"
requires e2fsck debugfs xfs_repair nbdcopy
needs_weir
prepare_guest
[ $# = 0 ] || chains=("$@")

pairs=() kind=ext4
for chain in "${chains[@]}"; do
    chain_disk "$chain" $((384 << 20))
    pairs+=("$kind=$chain")
    [ $kind = ext4 ] && kind=xfs || kind=ext4
done
serve_chains 128M

"$here/guest/build-initramfs" -p "$work/weirctl.cpio" "$weirctl"
start_guest -t 1200 -a "$work/weirctl.cpio" -r "$relay" -s "$sock" -e "$here/guest/jobs/filesystem.sh" \
    "$guest_folder" "$here/guest/jobs/attach-chains.sh" "${pairs[@]}"
for chain in "${chains[@]}"; do
    guest_says 600 "TRIM $chain"
    type_to_guest go
    guest_says 600 "SUMS $chain"
done
finish_guest

for pair in "${pairs[@]}"; do
    chain=${pair#*=}
    nbdcopy "$(uri "$chain")" "$work/image"
    check_filesystem "${pair%=*}" "$work/image"
    if [ "${pair%=*}" = ext4 ]; then
        dump_file "$work/image" /sums "$work/sums"
        assert_eq "$(sed -n "s/^SUMS $chain \([0-9a-f]*\).*/\1/p" "$work/guest.log")" \
            "$(sha256sum <"$work/sums" | cut -d' ' -f1)" "$chain: ext4's list of checksums"
    fi
    settle_chain "$chain"
    [ ! -e "$copies/$chain" ] || cmp "$disks/$chain" "$copies/$chain" || fail "the copy of $chain differs"
done
