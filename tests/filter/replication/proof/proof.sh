# proof.sh - how do the tests of replication write, and judge what has come of it?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced instead of tests/filter/filter.sh.
. "$WEIR_SOURCE/tests/filter/filter.sh"
tools=$WEIR_BUILD/tests/filter/replication/proof
ledger_log=$work/ledger # another name begins another history

# start_ledger [OPTION…] URI…: writes in the background until stop_ledger.
start_ledger() {
    spawn ledger "$tools/ledger" --log "$ledger_log" "$@"
    ledger_pid=$pid
    wait_until 60 _ledger_sends
}
_ledger_sends() { grep -q '^s ' "$ledger_log" || ! alive "$ledger_pid"; }
# end_ledger [STATUS]: when it has done what it was to do, it ends so (0).
end_ledger() {
    local status=0
    wait "$ledger_pid" || status=$?
    assert_eq "$status" "${1:-0}" "how the ledger ended ($(cat "$work/ledger.log"))"
}
# stop_ledger [STATUS]: what is in flight has its answer first.
stop_ledger() {
    ! alive "$ledger_pid" || kill "$ledger_pid"
    end_ledger "$@"
}
acked() { grep -c '^a ' "$ledger_log" || true; }
# wait_acked N: until so many more are acknowledged.
wait_acked() {
    local wanted=$(($(acked) + $1))
    _has_acked() { [ "$(acked)" -ge "$wanted" ] || ! alive "$ledger_pid"; }
    wait_until 120 _has_acked
    alive "$ledger_pid" || fail "the ledger ended: $(cat "$work/ledger.log")"
}
# check_prefix [OPTION…] IMAGE…: its sentence; false where that is no cut, or not what is demanded.
check_prefix() { "$tools/prefix-check" --log "$ledger_log" "$@" >"$work/verdict"; }
is_cut() { check_prefix "$@" || fail "prefix-check $*: $(cat "$work/verdict")"; }
# is_no_cut WORDS [OPTION…] IMAGE…: its sentence has these words.
is_no_cut() {
    local words=$1 status=0; shift
    check_prefix "$@" || status=$?
    assert_eq "$status" 1 "prefix-check $*: $(cat "$work/verdict")"
    grep -q "$words" "$work/verdict" || fail "prefix-check $*: $(cat "$work/verdict")"
}
# verdict KEY: of the last check that had --json.
verdict() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$work/verdict"; }

# start_proxy SOCKET [NAME]: the way to it is $link then; PROXY_LISTEN=HOST:PORT: that is the way.
start_proxy() {
    link=${PROXY_LISTEN:-$work/${2:-link}.sock} _proxy_ctl=$work/${2:-link}.ctl
    spawn "${2:-link}" python3 "$WEIR_SOURCE/tests/filter/replication/proof/fault-proxy.py" serve "$link" "$1" "$_proxy_ctl"
    wait_until 60 proxy status
}
# proxy WORDS…: fault-proxy.py has them.
proxy() { python3 "$WEIR_SOURCE/tests/filter/replication/proof/fault-proxy.py" tell "$_proxy_ctl" "$@"; }
