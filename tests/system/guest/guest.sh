# guest.sh - how does a test start a Linux guest, talk to it, and see how it has ended?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced by system.sh; a test that does not source that has sourced tests/lib.sh.
here=$WEIR_SOURCE/tests/system

# Builds what guests boot, once for all tests of a build folder.
prepare_guest() {
    requires qemu-system-x86_64 busybox depmod setpriv
    local guest=$here/guest cache=${WEIR_CACHE:-${XDG_CACHE_HOME:-${HOME:-$WEIR_BUILD}/.cache}/weir}
    guest_folder=$WEIR_BUILD/guest
    relay=$WEIR_BUILD/tests/system/guest/relay
    journal=$WEIR_BUILD/tests/system/guest/journal
    local programs=("$journal" "$WEIR_BUILD/tests/system/guest/transact" "$WEIR_BUILD/tests/system/guest/exercise/exercise")
    mkdir -p "$guest_folder"
    (
        flock 9
        for part in "$guest/build-initramfs" "$guest/tree.sh" "$guest/init" "${programs[@]}"; do
            [ "$guest_folder/fio.cpio" -nt "$part" ] && continue
            "$guest/build-initramfs" "$guest_folder" "$cache" "${programs[@]}"
            break
        done
    ) 9>"$guest_folder/lock" || skip "the guest could not be built"
}

# start_guest [RUN-GUEST OPTIONS] JOB [ARGUMENT…] [-- QEMU ARGUMENT…]: console in guest.log.
start_guest() {
    mkfifo "$work/console" 2>/dev/null || true
    exec {console}<>"$work/console"
    # shellcheck disable=SC2016 # expanded by that sh
    spawn guest sh -c 'exec "$@" <"$0"' "$work/console" "$here/guest/run-guest" "$@"
    guest_pid=$pid
}
# type_to_guest LINE: for a job that reads.
type_to_guest() { echo "$*" >&"$console"; }
guest_said() { grep -aqs "^$1" "$work/guest.log"; }
# guest_says SECONDS TEXT: waits for a line that begins so.
guest_says() {
    local end=$((SECONDS + $1))
    until guest_said "$2"; do
        kill -0 "$guest_pid" 2>/dev/null || guest_said "$2" || fail "the guest ended without '$2'"
        [ $SECONDS -lt $end ] || fail "the guest did not say '$2' in $1 s"
        sleep 0.1
    done
}
# finish_guest: waits for power-off; the job must have succeeded.
finish_guest() {
    wait "$guest_pid" || fail "QEMU ended with $?"
    local status
    status=$(tr -d '\r' <"$work/guest.log" | sed -n 's/^GUEST-EXIT: //p')
    [ "$status" = 0 ] || fail "the job in the guest ended with '${status:-no word}'"
}
# qemu_disk EXPORT [NODE]: arguments that make it the next virtio disk.  reconnect_delay: seconds.
qemu_disk() {
    printf '%s\n' -blockdev "driver=nbd,node-name=${2:-$1},server.type=unix,server.path=$sock,export=$1,\
cache.direct=on,discard=unmap,detect-zeroes=unmap,reconnect-delay=${reconnect_delay:-0}" \
        -device "virtio-blk-pci,drive=${2:-$1}"
}
