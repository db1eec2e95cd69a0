# lib.sh - what do the shell tests share?  Sourced by each: . "$WEIR_SOURCE/tests/lib.sh"
# SPDX-License-Identifier: BSD-3-Clause
#
# A test has a folder of its own, $work, removed at the end; what it started, and only
# that, is stopped.  A skip fails when WEIR_MUST_WORK=1.
set -eu
: "${WEIR_SOURCE:?run by meson}" "${WEIR_BUILD:?run by meson}"
export LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-test.XXXXXX")
export WEIR_RUN=$work/run WEIR_STATE=$work/state WEIR_FILTERS=$WEIR_BUILD/filters
mkdir -p "$WEIR_RUN" "$WEIR_STATE"
plugin=$WEIR_BUILD/plugins/nbdkit-weir-plugin.so
weirctl=$WEIR_BUILD/gateway/weirctl/weirctl
weirfs=$WEIR_BUILD/gateway/weirfs/weirfs
_cleanups=() _pids=()
declare -A _since=() # of a process that spawn started: when

cleanup_fn() { _cleanups+=("$*"); }
_finish() {
    local status=$? i
    [ $BASHPID = $$ ] || exit $status # a child that was stopped before it was a program
    set +e
    trap '' INT TERM
    for ((i = ${#_cleanups[@]} - 1; i >= 0; i--)); do eval "${_cleanups[i]}"; done
    for ((i = ${#_pids[@]} - 1; i >= 0; i--)); do stop_pid "${_pids[i]}"; done
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        for f in "$work"/*.log; do [ -f "$f" ] && { echo "--- $f"; tail -40 "$f"; }; done
    fi
    rm -rf "$work"
    exit $status
}
trap _finish EXIT
trap 'exit 130' INT TERM

# started_at PID: sets $since to when the process started; fails when there is none, or it has
# ended and only nobody asked how.
started_at() {
    local stat state
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1 # said, for in a trap it would be 0
    read -r state _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ since _ <<<"${stat##*) }"
    [[ $state != [ZX] ]]
}
# alive PID: is it there, and still what spawn started?  The numbers of 32768 processes and
# threads are used up in seconds when much is tested at once.
alive() { local since; started_at "$1" && [ "${_since[$1]:-$since}" = "$since" ]; }
# stop_pid PID: TERM, then KILL after a minute; only for what this test started.  TERM is sent
# again: a child of bash that is not yet the program loses it when it puts bash's traps away.
stop_pid() {
    local i
    alive "$1" || return 0 # nor waits for who has its number now
    for ((i = 0; i < 600; i++)); do
        alive "$1" || break
        ((i % 50)) || kill "$1" 2>/dev/null || true
        sleep 0.1
    done
    while alive "$1"; do kill -9 "$1" 2>/dev/null || true; sleep 0.1; done
    wait "$1" 2>/dev/null || true
}
# spawn NAME COMMAND…: in the background, output to $work/NAME.log; sets $pid.
spawn() {
    local name=$1; shift
    : >"$work/$name.log" # here: who waits for a word in it must not find that of the last one
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    pid=$!
    _pids+=("$pid")
    local since=ended
    started_at "$pid" || true
    _since[$pid]=$since
}
fail() { echo "FAIL: $*" >&2; exit 1; }
skip() {
    [ "${WEIR_MUST_WORK:-0}" = 1 ] && fail "skipped where everything must work: $*"
    echo "SKIP: $*"; exit 77
}
requires() { for _c; do command -v "$_c" >/dev/null || skip "needs $_c"; done; }
# often N: how often a loop that hopes to meet something goes round.  With WEIR_SHORT=1 a third:
# a sanitizer sees what the code does, however well it goes.
often() { echo $((${WEIR_SHORT:-0} ? ($1 + 2) / 3 : $1)); }
# wait_until SECONDS COMMAND…: polls; fails when it never becomes true.  SECONDS only end
# what is broken: 60 is a good number, also on a busy machine.
wait_until() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "never became true: $*"
        sleep 0.05
    done
}
assert_eq() { [ "$1" = "$2" ] || fail "${3:-values differ}: '$1' is not '$2'"; }

# sanitizer runtime for a plugin that an ordinary nbdkit loads, and behind it what a test wants to
# be in the gateway: $preload
_preload() {
    local lib
    lib=$(ldd "$plugin" 2>/dev/null | awk '/lib(asan|tsan)\.so/{print $3; exit}')
    printf '%s' "${lib:+$lib:$WEIR_BUILD/tests/malloc-first.so:}${preload:-}"
}
# gateway_process NBDKIT ARGUMENTS…: for spawn, becomes nbdkit.
gateway_process() {
    local pre; pre=$(_preload)
    # last, so that it counts: nbdkit does not give back a connection that a client has open at the end
    exec env ${pre:+LD_PRELOAD="$pre"} ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" nbdkit -f "$@"
}
# listens PATH: somebody accepts connections there; a socket file is there a bit sooner.
listens() { grep -q " 00010000 .* $1\$" /proc/net/unix; }
# answers URI: a server is there, though perhaps not every export of it can be opened.
answers() { nbdinfo --list "$1" 2>/dev/null | grep -q ^protocol; }

# start_gateway CONF [NBDKIT ARGUMENTS…]: serves on $sock; sets $gateway_pid.  A test
# whose gateway does not talk to everybody says how to ask it: gateway_answers.
start_gateway() {
    local conf=$1; shift
    sock=${sock:-$work/nbd.sock}
    rm -f "$sock"
    spawn gateway gateway_process -t "${threads:-64}" -U "$sock" "$plugin" conf="$conf" "$@"
    gateway_pid=$pid
    uri() { printf 'nbd+unix:///%s?socket=%s' "${1:-}" "$sock"; }
    serves_or_ended() {
        ! kill -0 "$gateway_pid" || { listens "$sock" && "${gateway_answers:-answers}" "$(uri)"; }
    }
    wait_until 60 serves_or_ended
    kill -0 "$gateway_pid" 2>/dev/null || fail "the gateway did not start"
}
# kill_server: as a crash would.  It is gone when this returns: the next one can begin.
kill_server() {
    { kill -9 "$gateway_pid"; wait "$gateway_pid" || true; } 2>/dev/null # no "Killed" in the log
    _pids=("${_pids[@]/#%$gateway_pid/}") # a number that may be another's soon
}
stop_gateway() { stop_pid "$gateway_pid"; }
