#!/bin/bash
# database.sh - is every committed transaction there after a failover, or lost just as was reported?
# SPDX-License-Identifier: BSD-3-Clause
#
# database.sh [ROUNDS [SEED]]
#
# SQLite, with the database on one disk of a group and its write-ahead log on another, commits
# until its source is killed or hands over.  Then the target has transactions 1 to M of those that
# were begun, whole: in the sync modes all whose commit had returned, in async just those up to the
# LSN that the failover has reported.  Then the disks go home, by turns in two ways, for so each round
# begins with the same source: with what was committed at the new site, while that goes on, or
# without it; then the database goes on at the source's own disks, which have lost nothing either.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
rounds=${1:-9} seed=${2:-$RANDOM}
echo "seed $seed"
RANDOM=$seed
DISKS=(vm1 vm2) GROUP=bank SIZE=16M
REPLICATION='group = "bank"; resync_bandwidth = "max"; frame = "64k";'
database=$WEIR_BUILD/tests/filter/replication/database/database
book=$work/book
: >"$book"

# ---- the database --------------------------------------------------------------------------------

control_socket() { echo "$WEIR_RUN"/ctl/*.sock; }
committed() { grep -c '^c ' "$book"; }
# start_database: at the source, until its disks fail.
start_database() {
    spawn database "$database" write "$book" --returned --lsn "$(control_socket)" \
        exports/vm1/filters/10-replication/stats/lsn "$(uri vm1)" "$(uri vm2)"
    database_pid=$pid
    wait_committed 10
}
# wait_committed N: until so many more are.
wait_committed() {
    local wanted=$(($(committed) + $1))
    _has_committed() { [ "$(committed)" -ge "$wanted" ] || ! alive "$database_pid"; }
    wait_until 60 _has_committed
    alive "$database_pid" || fail "the database ended: $(cat "$work/database.log")"
}
database_fails() { # as it must when its disks do
    local status=0
    wait "$database_pid" || status=$?
    assert_eq $status 4 "how the database ended ($(cat "$work/database.log"))"
}
# verify WHAT BOOK [OPTION…] URI URI
verify() {
    local what=$1; shift
    "$database" check "$@" >"$work/verified" 2>&1 || fail "$what: $(cat "$work/verified")"
    echo "    $what: $(cat "$work/verified")"
}
target_uri() { printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "$1" "$target_sock" "$work/keys.psk"; }
heads() { target_uri vm1; echo; target_uri vm2; }
at_lsn() { read_point vm1 "lsn:$1"; echo; read_point vm2 "lsn:$1"; }
at_target() { WEIR_RUN=$work/target/run "$weirctl" --json replica "$@"; }

# ---- one round ------------------------------------------------------------------------------------

# The target is asked for the past while the database works: any LSN of this run is a state of both.
verify_points() {
    local last n disks
    last=$(target_status .complete_lsn)
    for n in "$last" $((first + 1 + RANDOM % (last - first))); do
        mapfile -t disks < <(at_lsn "$n")
        verify "at LSN $n" "$book" --at "$n" "${disks[@]}"
    done
    # two disks of two moments are no database, and that is found
    disks[0]=$(read_point vm1 "lsn:$first")
    disks[1]=$(read_point vm2 "lsn:$last")
    ! "$database" check "$book" --at "$last" "${disks[@]}" >"$work/verified" 2>&1 ||
        fail "the disks of LSN $first and $last were taken for a database"
}
planned() {
    "$weirctl" --json replica failover vm1 --planned >"$work/answer.log"
    lsn=$(jq -r .text "$work/answer.log" | sed -n 's/^handed over at LSN \([0-9]*\).*/\1/p')
    [ -n "$lsn" ] || fail "$(cat "$work/answer.log")"
    demand=(--returned --at "$lsn")
    at_target failover bank >"$work/answer.log"
}
unplanned() {
    local when
    kill_source
    at_target failover bank >"$work/answer.log"
    lsn=$(jq .lost.last_lsn "$work/answer.log")
    when=$(jq -r .lost.last_time "$work/answer.log")
    assert_eq "$(jq -r .text "$work/answer.log" | sed -n 's/.* is the primary at LSN \([0-9]*\).*/\1/p')" "$lsn" \
        "the LSN that was promoted, and the one that is reported"
    demand=(--at "$lsn" --before "$(date -d "$when" +%s%N)")
    [ "$mode" = async ] || demand+=(--returned)
}
# What happens to the link before the source is killed.
break_link() {
    case $1 in
    planned | killed) ;;
    slow) proxy delay both 5 30; wait_committed 3 ;;
    cut)
        proxy cut
        if [ "$mode" = async ]; then wait_committed 20; else wait_state suspended; fi ;;
    behind) # the target is sent a set, and has a part of it
        verb replication detach >"$work/answer.log"
        wait_committed 20
        option replication resync_bandwidth 1M
        proxy delay both 5 30
        verb replication attach >"$work/answer.log" ;;
    esac
}
one_round() { # MODE KIND HOME
    local lsn demand disks d
    mode=$1 kind=$2 home=$3
    for d in "${DISKS[@]}"; do ctl set "exports/$d/filters/@replication/options/mode" "$mode"; done
    option replication resync_bandwidth max
    first=$(statistic replication lsn)
    start_database
    wait_committed $((5 + RANDOM % 40))
    verify_points
    break_link "$kind"
    if [ "$kind" = planned ]; then planned; else unplanned; fi
    database_fails
    mapfile -t disks < <(heads)
    verify "at the new site" "$book" "${demand[@]}" "${disks[@]}"

    $home
    wait_in_step
}

# ---- the way home -----------------------------------------------------------------------------------

link_works() {
    proxy clear
    proxy heal
    [ "$kind" = planned ] || start_source
    wait_until 60 option replication resync_bandwidth max # it answers clients a bit sooner than this
}
give_back() { at_target failback bank "$@" >"$work/answer.log"; }
# The gateway may not have noticed yet that its clients are gone.
give_up() {
    cp "$book" "$work/book-there"
    "$database" write "$work/book-there" --transactions 5 "${disks[@]}" >"$work/there.log" 2>&1 ||
        fail "the database at the new site: $(cat "$work/there.log")"
    verify "written there" "$work/book-there" --returned "${disks[@]}"
    wait_until 60 give_back --discard
    link_works
}
is_replaced() { [[ $(status .kinship) =~ ^(promoted|fork)$ ]]; }
come_home() {
    local discard=(--discard) # of what never arrived
    [ "$kind" != planned ] || discard=()
    spawn database "$database" write "$book" "${disks[@]}"
    database_pid=$pid
    wait_committed 5
    link_works
    wait_until 60 is_replaced
    "$weirctl" --json replica failback vm1 ${discard[@]+"${discard[@]}"} >"$work/answer.log" || fail "$(cat "$work/answer.log")"
    wait_committed 5
    stop_pid "$database_pid"
    verify "written there" "$book" --returned "${disks[@]}"
    wait_until 60 give_back
}

start_sites
wait_in_step
for ((i = 0; i < rounds; i++)); do
    plans=("async killed" "sync killed" "async cut" "sync-durable killed" "async planned" "sync cut"
        "async behind" "sync planned" "async slow" "sync slow")
    homes=(give_up come_home)
    plan="${plans[i % 10]} ${homes[(i + i / 10) % 2]}"
    echo "round $i: $plan"
    # shellcheck disable=SC2086 # three words
    one_round $plan
done
verify "at home" "$book" --returned "$(uri vm1)" "$(uri vm2)"
