#!/bin/bash
# guest-exercise.sh - do file systems in a guest keep everything, over any chain, while policies change?
# SPDX-License-Identifier: BSD-3-Clause
#
# guest-exercise.sh [CHAIN…]: a disk each, with ext4 and xfs in turns.  The exerciser does
# WEIR_OPERATIONS on all of them together, stress-ng and dbench WEIR_SCALE times a little.  Judged by
# the exerciser after a remount, by a second guest behind a gateway that was started anew, and by the
# file systems' own checkers, in a copy of what clients see.  WEIR_SEED gives the exerciser its seed.
. "$WEIR_SOURCE/tests/system/system.sh" || exit
. "$here/chains.sh"
requires e2fsck xfs_repair nbdcopy fusermount3 stress-ng dbench
needs_weir
[ -c /dev/fuse ] || skip "needs /dev/fuse"
prepare_guest
[ $# = 0 ] || chains=("$@")
operations=$((${WEIR_OPERATIONS:-2000} / ${#chains[@]})) seed=${WEIR_SEED:-$RANDOM} limit=${WEIR_LIMIT:-1200}
echo "seed $seed, ${#chains[@]} chains, $operations operations on each"

# of a log with thousands of changes the end would show nothing else
cleanup_fn 'grep -aE "severity=(warning|error)" "$work/gateway.log" 2>/dev/null | tail -100 >"$work/complaints.log"'
letters=abcdefghijklmnopqrstuvwxyz disks_of_guest=() kind=ext4
declare -A filesystem=()
for i in "${!chains[@]}"; do
    chain_disk "${chains[i]}" $((384 << 20))
    filesystem[${chains[i]}]=$kind
    disks_of_guest+=("${chains[i]}=$kind=vd${letters:i:1}")
    [ $kind = ext4 ] && kind=xfs || kind=ext4
done
serve_chains 128M

fs=$work/fs
mkdir "$fs"
spawn weirfs "$weirfs" -f -o timeout=60000 "$fs"
cleanup_fn 'fusermount3 -u -z "$fs" 2>/dev/null'
wait_until 60 test -d "$fs/exports/${chains[0]}"
errors() { # there are some, or nobody knows
    local status=0
    grep -vx 0 "$fs"/exports/*/stats/*/errors || status=$?
    [ $status != 1 ]
}
cleanup_fn 'errors >"$work/errors.log" 2>&1' # did a guest's come from here?

programs=$guest_folder/exercise.cpio
(
    flock 9
    [ -e "$programs" ] || "$here/guest/build-initramfs" -p "$programs" "$(command -v stress-ng)" "$(command -v dbench)"
) 9>"$guest_folder/lock"
boot() { # JOB ARGUMENTS…
    local chain job=$1 qemu=()
    shift
    for chain in "${chains[@]}"; do
        mapfile -t -O ${#qemu[@]} qemu < <(reconnect_delay=60 qemu_disk "$chain")
    done
    start_guest -t "$limit" -m 1024 -a "$programs" -e "$here/guest/jobs/filesystem.sh" -e /usr/share/dbench/client.txt \
        "$guest_folder" "$here/guest/jobs/exercise.sh" "$job" "$@" "${disks_of_guest[@]}" -- "${qemu[@]}"
}

boot make $operations "$seed" "${WEIR_SCALE:-1}"
guest_says 600 EXERCISING
spawn changes /usr/bin/python3 "$here/guest-exercise.py" "$WEIR_RUN" "$fs" "$weirctl" "$work/stop" "${chains[@]}"
changes_pid=$pid
guest_says "$limit" 'AGAIN\|GUEST-EXIT'
touch "$work/stop"
wait "$changes_pid" || fail "a change was refused"
cat "$work/changes.log"
finish_guest
! errors || fail "requests have failed"
grep -a '^EXERCISED\|^COLLISION\|^stress-ng\|^Throughput\|^[A-Z]* at' "$work/guest.log" | tr -d '\r'
verified() { tr -d '\r' <"$work/guest.log" | grep -a '^VERIFIED'; }
verified >"$work/verified-before"
assert_eq ${#chains[@]} "$(wc -l <"$work/verified-before")" "disks that were verified"

for chain in "${chains[@]}"; do settle_chain "$chain"; done
stop_gateway
serve
boot check
finish_guest
verified | cmp - "$work/verified-before" || fail "another guest sees other files"

for chain in "${chains[@]}"; do
    nbdcopy "$(uri "$chain")" "$work/image"
    check_filesystem "${filesystem[$chain]}" "$work/image"
    settle_chain "$chain"
    [ ! -e "$copies/$chain" ] || cmp "$disks/$chain" "$copies/$chain" || fail "the copy of $chain differs"
    rm "$work/image"
done
