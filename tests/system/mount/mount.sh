# mount.sh - what do the tests of weirfs share?  Sourced by each, after it lib.sh.
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
mnt=$work/mnt
here=$WEIR_SOURCE/tests/system/mount

# A sanitizer's report of weirfs fails the test that made it, whatever else went well.
_sanitizers() {
    local report
    for report in "$work"/sanitizer.*; do
        [ -s "$report" ] || continue
        cat "$report" >&2
        status=1
    done
}
cleanup_fn _sanitizers
export ASAN_OPTIONS="log_path=$work/sanitizer:detect_leaks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$work/sanitizer:print_stacktrace=1:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="log_path=$work/sanitizer:${TSAN_OPTIONS:-}"

mounted() { mountpoint -q "$mnt"; }
unmount() {
    fusermount3 -u "$mnt" 2>/dev/null || { ! mounted || fusermount3 -u -z "$mnt"; }
}
# leave PID: of a mount that is over the program ends by itself, and what a sanitizer has to say at the
# end is not cut off by a signal.
leave() {
    local i
    unmount
    for ((i = 0; i < 100; i++)); do alive "$1" || return 0; sleep 0.1; done
    stop_pid "$1"
}
# start_weirfs [OPTIONS…]: shows $WEIR_RUN at $mnt; sets $weirfs_pid.  A gateway has a minute
# for an answer, unless OPTIONS say another timeout: the two seconds that a mount has by
# itself may be too short for a machine that tests much at once.
start_weirfs() {
    [ -w /dev/fuse ] || skip "needs /dev/fuse"
    requires fusermount3
    mkdir -p "$mnt" 2>/dev/null || true # a dead mount is there already
    spawn weirfs "$weirfs" --run="$WEIR_RUN" -f -o timeout=60000 "$@" "$mnt"
    weirfs_pid=$pid
    cleanup_fn "leave $weirfs_pid"
    wait_until 60 mounted
    wait_until 60 test -e "$mnt/metrics"
}

# start_fake NAME EXPORT…: a gateway that takes orders; sets $fake_pid.
start_fake() {
    requires python3
    spawn "fake-$1" python3 "$here/fake-gateway" "$WEIR_RUN" "$@"
    fake_pid=$pid
    wait_until 60 grep -q ready "$work/fake-$1.log"
}
# start_real: nbdkit with vm1 under the policy gold; its files are in $work/etc.
start_real() { # NBDKIT ARGUMENTS…
    mkdir -p "$work/etc/policies.d"
    printf '%s\n' 'datastores = ( { name = "memory"; type = "memory"; } );' \
        'exports = ( { name = "vm1"; datastore = "memory"; size = "16M"; policy = "gold"; } );' \
        'include_policies = "policies.d";' >"$work/etc/weir.conf"
    echo 'filters = ( { filter = "pass"; } );' >"$work/etc/policies.d/gold.conf"
    echo 'filters = ( );' >"$work/etc/policies.d/idle.conf"
    requires nbdkit nbdinfo
    start_gateway "$work/etc/weir.conf" "$@"
}
# tell NAME [ORDER]: gives the fake gateway NAME an order, or none.
tell() {
    if [ $# -gt 1 ]; then
        printf '%s\n' "$2" >"$WEIR_RUN/$1.orders.new"
        mv "$WEIR_RUN/$1.orders.new" "$WEIR_RUN/$1.orders"
    else
        rm -f "$WEIR_RUN/$1.orders"
    fi
}
file_is() { [ "$(cat "$1")" = "$2" ]; }
# is FILE TEXT: FILE holds TEXT, a \n at the end aside.
is() { assert_eq "$(cat "$1")" "$2" "$1"; }
# refused WORD COMMAND…: COMMAND fails and says WORD.
refused() {
    local word=$1 out; shift
    if out=$("$@" 2>&1); then fail "succeeded: $*"; fi
    case $out in *"$word"*) ;; *) fail "'$*' should say '$word', says: $out" ;; esac
}
# within SECONDS COMMAND…: COMMAND, whatever comes of it, is over in time.
within() {
    local seconds=$1 status=0; shift
    timeout "$seconds" "$@" || status=$?
    [ $status -ne 124 ] || fail "took more than $seconds s: $*"
    return $status
}
