# scenes.sh - what are both sites doing when one of them is killed?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced by points.sh.  A scene is three functions: before_SCENE makes all ready, and a restore
# point; do_SCENE, when the moment is armed, leads to it; after_SCENE, when the dead site is back,
# leads to where both are a source and its target.  Whatever talks to who dies may fail.

# Those in which the guest's disk may be sync: its target is there all the time.
sync_scenes='load idle mark cold checkpoint source-start target-start torn-start segment resync verify scratch'
nothing() { :; }

# ---- what they do ---------------------------------------------------------------------------------

# at_fill MIB BYTES: writes to the disk that has no ledger, at the source.
at_fill() { nbdsh -u "$(uri fill)" -c "import os; h.pwrite(os.urandom($2), $1 << 20)" 2>/dev/null || true; }
# More than a segment of the log.
burst() {
    nbdsh -u "$(uri fill)" -c "
import os
data = os.urandom(1 << 20)
for i in range(${1:-66}):
    h.pwrite(data[i:] + data[:i], (i % 64) << 20)
" 2>/dev/null || true
}
# What nobody writes any more for a moment: the ledger stands still.
quiet() { kill -STOP "$ledger_pid"; }
loud() { kill -CONT "$ledger_pid"; }
target_weirctl() { WEIR_RUN=$work/target/run "$weirctl" "$@" >"$work/weirctl.log" 2>&1; }
role() { target_status .role; }
has_applied() { [ "$(target_ctl get exports/log:db/store/stats/lag)" = 0 ]; }
cut_link() {
    proxy cut
    wait_until 60 is_not_state streaming
    wait_until 60 has_applied
}
# All of both is compared until nothing differs.
compare() {
    local before after
    number() { target_ctl get "exports/log:db/store/stats/$1" | tr -d '\n'; }
    while :; do
        before=$(number mismatches) verified=$(($(number verified) + 2176))
        wait_streaming 120
        verb replication verify >/dev/null
        is_verified() { [ "$(number verified)" -ge "$verified" ] && [ "$(number needs)" = 0 ]; }
        wait_until 60 is_verified
        after=$(number mismatches)
        [ "$before" != "$after" ] || return 0
    done
}

# ---- the load alone -------------------------------------------------------------------------------

before_load() { remember; }
do_load() { nothing; }
after_load() { nothing; }

# A flush of its own comes where a write has none with it.
before_idle() { remember; quiet; }
do_idle() {
    local i
    for ((i = 0; i < 100; i++)); do
        ! is_hit || break
        nbdsh -u "$(uri fill)" -c 'import time
for i in range(8): h.pwrite(b"\x11" * 512, 100 << 20); time.sleep(0.03)' 2>/dev/null || true
    done
    loud
}
after_idle() { nothing; }

before_mark() { remember; quiet; wait_until 60 is_in_step; }
do_mark() { verb replication "mark dies$rounds" >/dev/null 2>&1 || true; loud; }
after_mark() { nothing; }

# ---- the change map -------------------------------------------------------------------------------

# The first write to 4 MiB that nobody has written for long.
colder=0
before_cold() { remember; }
do_cold() { at_fill $((64 + 4 * (colder++ % 15))) 4096; }
after_cold() { nothing; }

before_checkpoint() { remember; }
do_checkpoint() { verb replication checkpoint >/dev/null 2>&1 || true; }
after_checkpoint() { nothing; }

# ---- a site begins again --------------------------------------------------------------------------

before_source-start() { remember; kill_source; }
do_source-start() { MAY_DIE=1 start_source; }
after_source-start() { nothing; }

before_target-start() { remember; kill_target; }
do_target-start() { MAY_DIE=1 start_target; }
after_target-start() { nothing; }

# It has left half a frame behind the end of its log.
before_torn-start() {
    remember
    arm "torn write */log.*"
    wait_death target
}
do_torn-start() { MAY_DIE=1 start_target; }
after_torn-start() { nothing; }

before_meet() { remember; cut_link; }
do_meet() { proxy heal; }
after_meet() { nothing; }

# ---- the log grows, and its oldest part goes --------------------------------------------------------

before_segment() { remember; }
do_segment() { burst; }
after_segment() { nothing; }

before_fold() {
    burst
    wait_streaming
    remember
    kill_target
    VAULT='history = "1s";' configure_target
}
do_fold() {
    MAY_DIE=1 start_target
    configure_target
}
after_fold() { nothing; }

# ---- the target lacks something -------------------------------------------------------------------

before_ahead() { remember; cut_link; }
do_ahead() { burst 50; }
after_ahead() { proxy heal; }

# The other disk's head is written by the set alone.
before_resync() { at_fill 4 1048576; remember; }
do_resync() { verb replication "resync all" >/dev/null 2>&1 || true; }
after_resync() { nothing; }

before_verify() {
    remember
    printf '%s' "planted $rounds" | dd of="$work/target/vault/db/fill.head" bs=1 seek=$((127 << 20)) conv=notrunc status=none
}
do_verify() { verb replication verify >/dev/null 2>&1 || true; }
after_verify() { wait_streaming 120; compare; }

# ---- words to the source --------------------------------------------------------------------------

is_detached() { [ "$(status .state)" = detached ]; }
before_detach() { remember; }
do_detach() { verb replication detach >/dev/null 2>&1 || true; }
after_detach() {
    if [[ $moments == *before* ]]; then
        ! is_detached || fail "it is detached though nothing was saved"
    else
        is_detached || fail "it has forgotten that it is detached"
        verb replication attach >/dev/null
    fi
}
before_attach() { remember; verb replication detach >/dev/null; }
do_attach() { verb replication attach >/dev/null 2>&1 || true; }
after_attach() { ! is_detached || verb replication attach >/dev/null; }

before_degrade() {
    remember
    option replication without_peer degrade
    option replication mode sync
    wait_acked 20
}
do_degrade() { proxy cut; }
after_degrade() { proxy heal; option replication without_peer suspend; }

# ---- the target becomes the primary ---------------------------------------------------------------

failover() { target_weirctl replica failover db "$@" || true; }
nbd_target() { printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "$1" "$target_sock" "$work/keys.psk"; }
# nbdsh by itself takes no URI that names a file
at_target() { nbdsh -c "h.set_uri_allow_local_file(True); h.connect_uri('$(nbd_target "$1")')" -c "$2"; }
at_head() { at_target fill "h.pwrite(b'$1' * 4096, $2 << 20); h.flush()" 2>"$work/head.log"; }
# It is one, of a state(k), and can be written; then it is a target again.
promoted() {
    [ "$(role)" = primary ] || target_weirctl replica failover db "$@" || fail "$(cat "$work/weirctl.log")"
    assert_eq "$(role)" primary
    target_weirctl replica failover db "$@" || true # whose disks are served
    is_cut "$(nbd_target vm1)"
    at_head o 120 || fail "the primary cannot be written"
    demoted
}
demoted() {
    # a client that has ended is connected for a moment still
    _is_target() { [ "$(role)" = target ] || target_weirctl replica failback db --discard; }
    wait_until 60 _is_target
    assert_eq "$(role)" target
    proxy heal
}
# A set is on its way, and half of it is there.
half_a_set() {
    proxy rate up 2000000
    verb replication "resync all" >/dev/null
    half() { target_status '.received_lsn > .complete_lsn' | grep -q true; }
    wait_until 60 half
    proxy cut
    wait_until 60 is_not_state streaming
    proxy rate up max
}

before_promote() { remember; cut_link; }
do_promote() { failover; }
after_promote() { promoted; }

before_promote-half() { remember; half_a_set; }
do_promote-half() { failover; }
after_promote-half() { promoted; }

before_promote-point() {
    remember
    wait_acked 100
    verb replication "mark later$rounds" >/dev/null
    wait_until 60 nbdinfo --size "$(read_point vm1 "rp:later$rounds")"
    cut_link
}
do_promote-point() { failover --point="rp:$point"; }
after_promote-point() {
    [ "$(role)" = primary ] || failover --point="rp:$point"
    assert_eq "$(sum "$(nbd_target vm1)")" "$was" "the disk that was set back to $point"
    promoted
}

before_fenced() { remember; }
do_fenced() { failover; }
after_fenced() {
    wait_state fenced
    ! nbdsh -u "$url" -c 'h.pread(512, 0)' 2>/dev/null || fail "a fenced source serves its disk"
    promoted
}

# What is written next has no intent yet.
before_primary() { before_promote; failover; at_head a 121; }
do_primary() { at_head b 110 || true; }
after_primary() {
    assert_eq "$(at_target fill 'print(h.pread(4096, 121 << 20) == b"a" * 4096)')" True "what the primary has flushed"
    promoted
}

before_demote() { before_primary; }
do_demote() {
    _demotes() { is_hit || target_weirctl replica failback db --discard; }
    wait_until 60 _demotes
}
after_demote() { demoted; }

# ---- planned failover -----------------------------------------------------------------------------

before_handover() { remember; }
do_handover() {
    verb replication handover >"$work/handover.log" 2>&1 &
    handing=$!
}
is_settled() {
    if [ "$(role)" = primary ]; then is_state fenced; else is_state streaming; fi
}
after_handover() {
    wait $handing || true
    wait_until 60 is_settled
    [ "$(role)" = primary ] || return 0
    target_weirctl replica failover db || true # whose disks are served
    is_cut --acked "$(nbd_target vm1)" # nothing was said to be written but what it has
    promoted
}

# ---- the way back -----------------------------------------------------------------------------------

# Planned, and the ledger stands still until both are what they were: so all that was acknowledged
# is at both sites, whatever becomes of one.
replaced() {
    remember
    quiet
    wait_until 60 is_in_step
    demand=(--acked)
    verb replication handover >/dev/null || fail "nothing is handed over"
    target_weirctl replica failover db || true # whose disks are served
    wait_state fenced
    there=$(printf "\\$(printf %o $((97 + rounds % 26)))")
    at_head "$there" 121 || fail "the primary cannot be written"
}
# No two sites are served: where the source can be read, the target is one.
is_served_once() {
    ! nbdsh -u "$url" -c 'h.pread(512, 0)' 2>/dev/null || assert_eq "$(role)" target "what serves beside its source"
}
at_home() { assert_eq "$(nbdsh -u "$(uri fill)" -c "print(h.pread(4096, $1 << 20) == b'$2' * 4096)")" True "what was written at the primary, at home"; }
come_home() {
    is_served_once
    # who has crashed does not know that it has written nothing alone
    _is_told() { is_state fetching || is_state streaming || verb replication "failback discard"; }
    wait_until 60 _is_told
    _has_left() { [ "$(role)" = target ] || target_weirctl replica failback db; }
    wait_until 180 _has_left
    wait_streaming 120
    at_home 121 "$there"
    remembers
    loud
}

before_fetch() { replaced; }
do_fetch() { verb replication failback >/dev/null 2>&1 || true; }
after_fetch() { come_home; }

# What is written while it follows is in the last round, or the one before.
before_last-round() {
    replaced
    verb replication failback >/dev/null
    follows() { [ "$(status .fetch_following)" = true ]; }
    wait_until 60 follows
    at_head "$there" 122 || fail "a primary that is followed cannot be written"
    # a client that has ended is connected for a moment still
    unused() { WEIR_RUN=$work/target/run "$weirctl" --json export show fill | jq -e '.connections == 0'; }
    wait_until 60 unused
}
do_last-round() {
    target_weirctl replica failback db &
    leaving=$!
}
after_last-round() {
    is_served_once
    wait $leaving || true # it had a minute
    come_home
    at_home 122 "$there"
}

# ---- the rest -------------------------------------------------------------------------------------

before_scratch() { remember; }
do_scratch() { at_target "fill@latest+t$rounds" 'h.pwrite(b"s" * 8192, 0)' 2>/dev/null || true; }
after_scratch() { nothing; }

# Neither knows of the other, or of a life before: but the disks are full.
before_begin() {
    stop_source
    stop_target
    rm -rf "$work/state" "$work/target/vault" "$work/target/state"
    mkdir -p "$work/state" "$work/target/vault" "$work/target/state"
    shown=
}
do_begin() {
    MAY_DIE=1 start_target
    MAY_DIE=1 start_source
}
# What the target has answered for it takes in a moment later.
after_begin() { wait_streaming 120; wait_until 60 nbdinfo --size "$(read_point vm1)"; }
