#!/bin/bash
# guest-luks.sh - do Linux and weir read each other's encrypted disks, and what does an image tell?
# SPDX-License-Identifier: BSD-3-Clause
#
# A guest opens images that weir has written with cryptsetup and dm-crypt, and writes on; it formats
# others, which weir reads.  Then a system starts from an encrypted export and works, and its image
# has neither what it wrote nor the key.
threads=4 # each has a stack in the dump
. "$WEIR_SOURCE/tests/system/system.sh"
requires e2fsck cryptsetup gcore
needs_weir
prepare_guest
kinds="128-512 128-4096 256-512 256-4096" # bits of AES, sector
(umask 077 && head -c 32 /dev/urandom | base64 -w 0 >"$work/key")
python3 - >"$work/markers" <<'END'
import secrets
for number in range(10000):
    print(f"marker-{number:05}-{secrets.token_hex(16)}")
END

# sealed NAME OPTIONS: a policy whose disks open with the key
sealed() { policy "$1" "{ filter = \"encryption\"; key = \"file:$work/key\"; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; $2 }"; }
again() { # the next gateway has other disks
    stop_gateway
    _exports=()
    rm "$work/weir.conf"
}
sum() { nbdcopy "$(uri "$1")" - | sha256sum | cut -d' ' -f1; }
guest_sum() { tr -d '\r' <"$work/guest.log" | sed -n "s/^$1 $2 \([0-9a-f]*\).*/\1/p"; }

# ---- weir writes
for kind in $kinds; do
    sealed "w$kind" "format = true; key_bits = ${kind%-*}; sector_size = \"${kind#*-}\";"
    disk "w$kind" 20M "w$kind"
done
serve
declare -A written
head -c 4M /dev/urandom >"$work/random"
for kind in $kinds; do
    nbdcopy "$work/random" "$(uri "w$kind")"
    written[$kind]=$(sha256sum <"$work/random" | cut -d' ' -f1)
done
again

# ---- the guest reads and writes, and starts a system from an export
sealed plain "format = true;"
disk vm 80M plain
serve
words=() qemu=()
add_raw() { # IMAGE WORD: the next disk of the guest, as it is
    local letters=bcdefghij
    words+=("${2/DEVICE/vd${letters:${#words[@]}:1}}")
    qemu+=(-drive "if=none,id=$1,format=raw,cache=unsafe,file=$disks/$1" -device "virtio-blk-pci,drive=$1")
}
mapfile -t qemu < <(qemu_disk vm)
for kind in $kinds; do add_raw "w$kind" "w$kind=DEVICE"; done
for kind in $kinds; do
    truncate -s 20M "$disks/g$kind"
    add_raw "g$kind" "g$kind=DEVICE=${kind/-/=}"
done
start_guest -t 600 -l -e "$work/key" -e "$work/markers" "$guest_folder" "$here/guest/jobs/luks.sh" \
    vda "${words[@]}" -- "${qemu[@]}"
finish_guest
guest_said 'SYSTEM /dev/' || fail "no system ran from the encrypted export"

# ---- neither the image nor a core dump of the gateway has what must not be there
nbdcopy "$(uri vm)" "$work/vm.plain"
check_filesystem ext4 "$work/vm.plain"
cryptsetup luksDump -q --dump-volume-key --volume-key-file "$work/volume" --key-file "$work/key" "$disks/vm" >/dev/null
gcore -o "$work/core" "$gateway_pid" >"$work/gcore.log" 2>&1 || fail "no core dump of the gateway"
cat >"$work/search.py" <<'END'
import re, sys
image, plain, core, markers, key, volume = (open(name, "rb").read() for name in sys.argv[1:])
markers = set(markers.split())
assert len(markers) == 10000 and len(volume) == 64, (len(markers), len(volume))
# the keys and each half of those that XTS has
secrets = [key, volume[:32], volume[32:], volume[:16], volume[32:48]]
found = lambda data: markers & set(re.findall(rb"marker-\d{5}-[0-9a-f]{32}", data))
assert found(plain) == markers, "the search finds what is there"
assert b"marker-" not in image and not found(image), "plain text is in the image"
for secret in secrets:
    assert secret not in image, "a key is in the image"
    assert secret not in core, "a key is in the core dump"
print(f"core dump of {len(core) >> 20} MiB: {len(found(core))} markers, of data that were in flight")
END
python3 "$work/search.py" "$disks/vm" "$work/vm.plain" "$(echo "$work"/core.*)" "$work/markers" "$work/key" "$work/volume"
again

# ---- weir reads what the guest read and wrote
for kind in $kinds; do
    sealed "w$kind" ""
    disk "w$kind" 20M "w$kind"
    disk "g$kind" 20M "w$kind"
done
serve
for kind in $kinds; do
    assert_eq "$(guest_sum WAS "w$kind")" "${written[$kind]}" "what Linux reads of a disk that weir wrote, AES-$kind"
    assert_eq "$(sum "w$kind")" "$(guest_sum SUM "w$kind")" "what Linux wrote on it, AES-$kind"
    assert_eq "$(sum "g$kind")" "$(guest_sum SUM "g$kind")" "a disk that Linux formatted, AES-$kind"
    [ "$(guest_sum SUM "w$kind")" != "${written[$kind]}" ] || fail "Linux wrote nothing"
done
