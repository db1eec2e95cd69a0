# sites.sh - two sites in one test: how are they begun, cut off, killed and compared?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced instead of proof.sh.  The source is the gateway that uri, ctl, statistic, option and verb
# speak to; the target is reached by it through the fault proxy.  What may be set before
# start_sites: DISKS, GROUP, SIZE, or SIZES of each disk, TARGET_TYPE, TLS (1), TCP (1: the source
# connects to a port of 127.0.0.1, no Unix socket), REPLICATION: more options of the filter, VAULT:
# of the datastore.  A site that is started with MAY_DIE=1 may.
. "$WEIR_SOURCE/tests/filter/replication/proof/proof.sh"
requires jq psktool
DISKS=(vm1) GROUP=vm1 TARGET_TYPE=vault TLS=1 TCP='' REPLICATION='' VAULT='history = "1h";'
declare -A SIZES=()
sock=$work/source.sock target_sock=$work/target.sock

# ---- gateways --------------------------------------------------------------------------------------

# kept NAME COMMAND…: for spawn.  Runs it, and again when it was aborted, as nbdkit 1.32 may be when
# a connection is reset (nbdkit-weir-plugin(1)) and a service manager would.
kept() {
    local name=$1 status child; shift
    trap 'kill "$child" 2>/dev/null; wait "$child"; exit' TERM
    while :; do
        rm -f "$work/$name.sock" # of one that was aborted
        "$@" &
        child=$!
        echo $child >"$work/$name.pid"
        status=0
        wait $child || status=$?
        [ $status = 134 ] || { echo "ended with status $status"; exit $status; }
        echo "aborted, and started again"
    done
}
# start_site NAME SOCKET CONF [NBDKIT ARGUMENTS…]
_start_site() {
    local name=$1 socket=$2 conf=$3; shift 3
    rm -f "$socket"
    spawn "$name" kept "$name" gateway_process -t 64 -U "$socket" "$@" "$plugin" conf="$conf" \
        run="${RUN:-$WEIR_RUN}" state="${STATE:-$WEIR_STATE}"
    _begun() { listens "$socket" || ! alive "$pid"; }
    wait_until 60 _begun
    alive "$pid" || [ -n "${MAY_DIE:-}" ] || fail "the $name did not start"
}
_kill_site() { # as a crash would
    { kill -9 "$(cat "$work/$1.pid")"; wait "$2" || true; } 2>/dev/null
}
start_target() {
    RUN=$work/target/run STATE=$work/target/state _start_site target "$target_sock" "$work/target.conf" \
        ${TLS:+--tls=require --tls-psk="$work/keys.psk"}
    target_pid=$pid
    _excused=0 # aborts that target_is_cut has made allowance for, of those in this log
}
kill_target() { _kill_site target "$target_pid"; }
stop_target() { stop_pid "$target_pid"; }
start_source() {
    _start_site source "$sock" "$work/source.conf"
    gateway_pid=$pid
    uri() { printf 'nbd+unix:///%s?socket=%s' "${1:-}" "$sock"; }
    url=$(uri "${DISKS[0]}")
}
kill_source() { _kill_site source "$gateway_pid"; }
stop_source() { stop_pid "$gateway_pid"; }

# ---- what they are told ------------------------------------------------------------------------------

# The group's way to the target, as option "target" has it.
target_option() {
    case ${TLS:+tls}${TCP:+tcp} in
        tls) printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "$GROUP" "$link" "$work/keys.psk" ;;
        tlstcp) printf 'nbds://weir@%s/%s?tls-psk-file=%s' "$link" "$GROUP" "$work/keys.psk" ;;
        tcp) printf 'nbd://%s/%s' "$link" "$GROUP" ;;
        *) printf 'nbd+unix:///%s?socket=%s' "$GROUP" "$link" ;;
    esac
}
# a target under a sanitizer may be busy for seconds
if [ "${WEIR_SHORT:-0}" = 1 ]; then peer_timeout=5s; else peer_timeout=2s; fi
configure_source() {
    local d
    mkdir -p "$work/policies.d" "$work/disks"
    printf 'name = "p";\nfilters = ( { filter = "replication"; target = "%s"; target_type = "%s"; reconnect_delay = "100ms"; peer_timeout = "%s"; %s } );\n' \
        "$(target_option)" "$TARGET_TYPE" "$peer_timeout" "$REPLICATION" >"$work/policies.d/p.conf"
    {
        echo "datastores = ( { name = \"disks\"; type = \"file\"; path = \"$work/disks\"; } );"
        echo 'include_policies = "policies.d"; exports = ('
        for d in "${DISKS[@]}"; do
            [ "$d" = "${DISKS[0]}" ] || echo ,
            printf '{ name = "%s"; datastore = "disks"; image = "%s"; size = "%s"; policy = "p"; }' "$d" "$d" "${SIZES[$d]:-${SIZE:-32M}}"
        done
        echo ');'
    } >"$work/source.conf"
}
configure_target() {
    local d image
    mkdir -p "$work/target/vault" "$work/target/disks" "$work/target/run" "$work/target/state"
    {
        if [ "$TARGET_TYPE" = vault ]; then
            echo "datastores = ( { name = \"dr\"; type = \"vault\"; path = \"$work/target/vault\"; $VAULT } );"
            echo "exports = ( { name = \"log:$GROUP\"; datastore = \"dr\"; image = \"log:$GROUP\"; }"
        else
            echo "datastores = ( { name = \"plain\"; type = \"file\"; path = \"$work/target/disks\"; } ); exports = ("
        fi
        for d in "${DISKS[@]}"; do
            if [ "$TARGET_TYPE" = vault ]; then
                image=$GROUP
                [ "$GROUP" = "$d" ] || image=$GROUP/$d
                printf ', { name = "%s"; datastore = "dr"; image = "%s"; }' "$d" "$image"
            else
                printf '{ name = "%s"; datastore = "plain"; image = "%s"; size = "%s"; }' "$d" "$d" "${SIZE:-32M}"
            fi
        done
        echo ');'
    } >"$work/target.conf"
}
start_sites() {
    [ -e "$work/keys.psk" ] || psktool -u weir -p "$work/keys.psk" >"$work/psktool.log" 2>&1
    PROXY_LISTEN=${TCP:+127.0.0.1:0} start_proxy "$target_sock"
    [ -z "$TCP" ] || link=127.0.0.1:$(sed -n 's/^port //p' "$work/link.log")
    configure_target
    configure_source
    start_target
    start_source
    wait_streaming
    # the vault has taken in what it has answered for a moment later
    [ "$TARGET_TYPE" != vault ] || wait_until 60 nbdinfo --size "$(read_point "${DISKS[0]}")"
}

# ---- how far they are ----------------------------------------------------------------------------------

# status [JQ]: of the group, at the source; each is an event.  Whoever polls asks the statistics.
status() { verb replication status | jq -r "${1:-.}"; }
target_ctl() { WEIR_RUN=$work/target/run ctl "$@"; }
target_status() { target_ctl set "exports/log:$GROUP/store/ctl" status | jq -r "${1:-.}"; }
numbers() { local n; for n; do printf '%s ' "$(statistic replication "$n" | tr -d '\n')"; done; }
is_state() { [ "$(numbers state)" = "$1 " ]; }
is_not_state() { ! is_state "$1"; }
wait_state() { wait_until "${2:-60}" is_state "$1"; }
wait_streaming() { wait_state streaming "${1:-180}"; } # it may have much to catch up
# All that was written is there, as a state(k); for who writes nothing meanwhile.
is_in_step() {
    local state lsn acked
    read -r state lsn acked <<<"$(numbers state lsn acked_lsn)"
    [ "$state $lsn" = "streaming $acked" ]
}
wait_in_step() {
    wait_until "${1:-60}" is_in_step
    is_complete() { [ "$(status '.complete_lsn == .lsn')" = true ]; } # a mark may be under way
    wait_until 60 is_complete
}

# read_point DISK [POINT]: where a disk can be read at the target; of a plain one what is there now.
read_point() {
    local name=$1
    [ "$TARGET_TYPE" = plain ] || name=$1@${2:-latest}
    if [ -n "$TLS" ]; then
        printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "$name" "$target_sock" "$work/keys.psk"
    else
        printf 'nbd+unix:///%s?socket=%s' "$name" "$target_sock"
    fi
}
# target_is_cut [OPTION…] [@POINT]: all disks as they were at the point.
target_is_cut() {
    local point=latest images=() d options=()
    for d; do [[ $d == @* ]] && point=${d#@} || options+=("$d"); done
    for d in "${DISKS[@]}"; do images+=("$(read_point "$d" "$point")"); done
    local status
    while :; do
        status=0
        check_prefix ${options[@]+"${options[@]}"} "${images[@]}" || status=$?
        [ $status = 2 ] || break # it could not be read: then only because the target was aborted
        has_aborted_again() { [ "$(target_aborts)" -gt "$_excused" ] || ! alive "$target_pid"; }
        wait_until 60 has_aborted_again
        alive "$target_pid" || fail "the target ended, and by no abort"
        _excused=$((_excused + 1)) # each abort is one reason, also one of a moment before
        wait_until 60 answers "$(read_point "${DISKS[0]}" "$point")"
    done
    [ $status = 0 ] || fail "prefix-check ${images[*]}: $(cat "$work/verdict")"
}
target_aborts() { grep -c '^aborted, and started again' "$work/target.log" || true; } # kept
