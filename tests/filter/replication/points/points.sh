#!/bin/bash
# points.sh - what is left of both sites, when one is killed at a named moment of its work?
# SPDX-License-Identifier: BSD-3-Clause
#
# points.sh [COUNT|all|NAME… [SEED]].  points.tab has the points; COUNT of them are taken by chance,
# each as often as others, and "all" is every one.  The load goes on all the time: a disk of 8 MiB
# with a ledger, and another one without, in one group.  For each point the site kills itself
# there (die-at.c), is begun again, and
#   - what was acknowledged is on the source's disk,
#   - what the target shows is a state(k), with all that a sync disk acknowledged,
#   - a restore point from before the kill is open, and reads as it did,
#   - both go on, and in the end have the same.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
. "$WEIR_SOURCE/tests/filter/replication/points/scenes.sh"
requires nbdcopy shuf
wanted=${1:-12} seed=${2:-$RANDOM}
[ -z "${WEIR_ALL_POINTS:-}" ] || wanted=all
echo "seed $seed"
RANDOM=$seed
GROUP=db DISKS=(vm1 fill) SIZES=([vm1]=8M [fill]=128M)
REPLICATION='frame = "256k"; ring = "64M"; spill = "32M"; mark_every = "300ms"; compression = "none";'
preload=$WEIR_BUILD/tests/filter/replication/points/die-at.so
export WEIR_DIE_AT=$work/die
rounds=0 modes=(async sync sync-durable)

# ---- who dies -------------------------------------------------------------------------------------

# arm MOMENTS
arm() {
    rm -f "$work/die.hit"
    sed 's/ *; */\n/g' <<<"$1" >"$work/die.new"
    mv "$work/die.new" "$work/die"
}
is_hit() { [ -e "$work/die.hit" ]; }
# The one that was to die has, by its own hand.
wait_death() {
    local status=0 victim=$gateway_pid
    [ "$1" = source ] || victim=$target_pid
    wait_until 60 is_hit
    wait "$victim" 2>/dev/null || status=$?
    assert_eq "$status" 137 "how the $1 ended"
}
begin_again() {
    if [ "$1" = source ]; then start_source; else start_target; fi
}

# ---- what must hold -------------------------------------------------------------------------------

vm1_is_cut() { is_cut "$@" "$(read_point vm1)"; }
sum() { nbdcopy "$1" - | cksum; }
# A restore point, which the kill must not touch.
remember() {
    point=p$rounds
    verb replication "mark $point" >/dev/null || fail "no restore point can be made"
    wait_until 60 nbdinfo --size "$(read_point vm1 "rp:$point")"
    was=$(sum "$(read_point vm1 "rp:$point")")
}
remembers() {
    [ -n "$point" ] || return 0
    assert_eq "$(sum "$(read_point vm1 "rp:$point")")" "$was" "what restore point $point shows"
    is_cut "$(read_point vm1 "rp:$point")"
}
check_dead() {
    [ "$1" = target ] || is_cut --acked --torn "$work/disks/vm1"
    [ "$1" = target ] || [ -z "$shown" ] || vm1_is_cut ${demand[@]+"${demand[@]}"}
}
check_back() {
    [ -z "$shown" ] || vm1_is_cut ${demand[@]+"${demand[@]}"}
    remembers
}
same_fill() { cmp <(nbdcopy "$(read_point fill)" -) "$work/disks/fill"; }

# ---- one point ------------------------------------------------------------------------------------

# kill_at NAME SITE SCENE MOMENTS
kill_at() {
    local name=$1 site=$2 scene=$3 moments=$4 mode=async
    rounds=$((rounds + 1)) point='' demand=() shown=1
    [[ " $sync_scenes " != *" $scene "* ]] || mode=${modes[RANDOM % 3]}
    [ $mode = async ] || demand=(--acked)
    echo "$SECONDS s: $name: $mode, $scene: $moments"
    option replication mode $mode
    "before_$scene"
    arm "$moments"
    "do_$scene"
    wait_death "$site"
    check_dead "$site"
    begin_again "$site"
    check_back
    "after_$scene"
    wait_streaming 120
    vm1_is_cut
    wait_acked 20
}

# ---- all of them ----------------------------------------------------------------------------------

declare -A rows=()
names=()
while IFS='|' read -r name site scene moments _; do
    [[ $name == [a-z]* ]] || continue
    read -r name <<<"$name"
    names+=("$name")
    rows[$name]="$site|$scene|$moments"
done <"$WEIR_SOURCE/tests/filter/replication/points/points.tab"
[ "$(printf '%s\n' "${names[@]}" | sort -u | wc -l)" = ${#names[@]} ] || fail "two points of one name"
case $wanted in
all) ;;
[0-9]*) mapfile -t names < <(printf '%s\n' "${names[@]}" | shuf -n "$wanted" --random-source=<(yes "$seed")) ;;
*) read -ra names <<<"$wanted" ;;
esac

start_sites
start_ledger --seed "$seed" --pattern overlap --rate 400 --smallest 8192 --largest 16384 --flush 0.05 --trim 0.05 --zero 0.05 \
    --reconnect 120 --server-dies "$url"
for name in "${names[@]}"; do
    IFS='|' read -r site scene moments <<<"${rows[$name]}"
    read -r site <<<"$site"
    read -r scene <<<"$scene"
    read -r moments <<<"$moments"
    kill_at "$name" "$site" "$scene" "$moments"
done
echo "$rounds points, of each the process is dead by its own SIGKILL; in $SECONDS s"

option replication mode async
wait_acked 100
stop_ledger
compare
wait_in_step
vm1_is_cut --acked
is_cut --acked "$work/disks/vm1"
wait_until 60 same_fill
