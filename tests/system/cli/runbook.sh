#!/usr/bin/env bash
# runbook.sh - does what weir-failover(7) prints work, typed word for word at two hosts?
# SPDX-License-Identifier: BSD-3-Clause
#
# runbook.sh planned|unplanned|test|home|exchange|split-a|split-b|unclear
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
. "$WEIR_SOURCE/tests/system/cli/runbook-hosts.sh"
steps=()

# ---- every one begins so: a.example sends, b.example receives ----------------------------------------------

prepare() {
    section "The site that receives"
    begin b
    begin a
    wait_until 60 in_step
    types 0 weirctl replica status vm1
    fill "$(reach a vm1)" 11 4
    wait_until 60 in_step
}

# ---- the runbooks --------------------------------------------------------------------------------------------

planned() {
    section "PLANNED FAILOVER"
    at a
    types 0 weirctl replica failover vm1 --planned --dry-run
    says streaming
    fill "$(reach a vm1)" 22 5
    types 0 weirctl replica failover vm1 --planned
    says "nothing is lost"
    source_is state fenced || fail "the old source is not fenced: $out"
    serves_not "$(reach a vm1)" "the old source serves on"
    at b
    types 0 weirctl replica failover vm1
    says "is primary here already"
    new=$(given)
    assert_eq "$(byte "$new" 4) $(byte "$new" 5)" "11 22" "what was written at a"
    fill "$new" 33 6
}

# "If it is refused or the link breaks before that, the disk stays here and nothing has changed"
planned_without_target() {
    dies b
    at a
    wait_until 60 source_is state connecting # else it may be asked, and its answer is waited for
    expect 1 replica failover vm1 --planned
    complains "not handed over"
    assert_eq "$(byte "$(reach a vm1)" 4)" 11 "a disk that could not be handed over"
    fill "$(reach a vm1)" 12 7
    begin b
    at a
    wait_until 60 in_step
    assert_eq "$(byte "$(reach a vm1)" 7)" 12 "what was written since"
}

unplanned() {
    at a
    expect 0 replica mark vm1 before
    fill "$(reach a vm1)" 22 5
    wait_until 60 in_step
    dies a
    section "UNPLANNED FAILOVER"
    at b
    types 0 weirctl replica failover vm1 --dry-run
    says "the last write that is there is LSN"
    serves_not "$(reach b vm1)" "a dry run has promoted"
    types 0 weirctl replica failover vm1
    new=$(given)
    assert_eq "$(byte "$new" 4) $(byte "$new" 5)" "11 22" "what had arrived"
}
# "Where that is damaged, too": a guest has run from it, and the point is older
unplanned_further_back() {
    fill "$new" 66 4
    wait_until 60 no_client b
    types 0 weirctl replica failback vm1 --discard
    types 0 weirctl replica points vm1 --since=2h
    says rp:before
    TYPED="weirctl replica failover vm1 --point=$(awk '/rp:before/ { print $1 }' <<<"$out")" \
        types 0 weirctl replica failover vm1 --point=2026-11-21T21:54:02Z
    new=$(given)
    assert_eq "$(byte "$new" 4) $(byte "$new" 5)" "11 00" "the disk at that time"
    fill "$new" 33 6
    finished
    # a.example comes back, and learns it
    begin a
    wait_until 60 source_is state fenced
    serves_not "$(reach a vm1)" "the old source serves"
}

test_failover() {
    section "TEST FAILOVER"
    at b
    types 0 weirctl replica failover vm1 --test
    copy=$(given)
    grep -q '/vm1%40latest%2Btest?' <<<"$copy" || fail "not what the page shows: $copy"
    fill "$copy" 33 6
    assert_eq "$(byte "$copy" 4) $(byte "$copy" 6)" "11 33" "the copy"
    fill "$(reach a vm1)" 22 5
    at a
    wait_until 60 in_step # replication goes on
    at b
    types 0 weirctl export close vm1@latest+test
    finished
    expect 0 replica failover vm1 --test
    assert_eq "$(byte "$(given)" 5) $(byte "$(given)" 6)" "22 00" "a new copy"
    expect 0 export close vm1@latest+test
}

failback_discard() { # after unplanned
    section "As if nothing had been: what was written at b.example is given up"
    wait_until 60 no_client b
    at b
    types 0 weirctl replica failback vm1 --dry-run
    says "would be"
    expect 4 replica failback vm1
    complains "would be lost"
    types 0 weirctl replica failback vm1 --discard
    says "is a target"
    serves_not "$(reach b vm1)" "a target is served"
    at a
    wait_until 60 in_step
    types 0 weirctl replica status vm1
    finished
    assert_eq "$(byte "$(reach a vm1)" 4) $(byte "$(reach a vm1)" 6)" "11 00" "the disk at a"
    fill "$(reach a vm1)" 44 8
    wait_until 60 in_step
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
    expect 0 replica verify vm1
}

# come_home [--discard]: b has the disk, and its guest goes on until the last step
come_home() {
    section "With what was written at b.example"
    at a
    TYPED="weirctl replica failback vm1 $* --dry-run" types 0 weirctl replica failback vm1 --dry-run
    serves_not "$(reach a vm1)" "a disk that is to be fetched"
    [ $# = 0 ] || refuses_to_give_up
    TYPED="weirctl replica failback vm1 $*" types 0 weirctl replica failback vm1
    serves_not "$(reach a vm1)" "a disk that is fetched"
    source_is state fetching || fail "$out"
    fill "$new" 44 12
    at b
    wait_until 60 no_client b
    types 0 weirctl replica failback vm1
    serves_not "$(reach b vm1)" "a target is served"
    at a
    wait_until 60 in_step
    types 0 weirctl replica status vm1
    finished
    assert_eq "$(byte "$(reach a vm1)" 4) $(byte "$(reach a vm1)" 12)" "11 44" "the disk, at home"
    fill "$(reach a vm1)" 45 13
    wait_until 60 in_step
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
}
refuses_to_give_up() {
    expect 4 replica failback vm1
    complains "if they may go"
}

# exchange_roles TARGET SOURCE: the roles of two hosts, after a failover to SOURCE, whose guest goes on
exchange_roles() {
    local target=${1:-a} source=${2:-b}
    section "The roles are exchanged"
    site "$target" vault
    at "$target"
    types 0 weirctl reload
    if [ "$source" = b ]; then
        not_needed weirctl replica failback vm1 --discard
    else
        types 0 weirctl replica failback vm1 --discard
    fi
    stop_pid "${gateways[$target]}" # the guest is to notice nothing, whenever its target comes
    at "$source"
    spawn guest guest "$(reach "$source" vm1)" '
import time
for n in range(1 << 20):
    h.pwrite(b"\x55" * 4096, (20 << 20) + n % 256 * 4096)
    print(n, flush=True)
    time.sleep(0.01)'
    guest_pid=$pid
    wait_until 60 test -s "$work/guest.log"
    types 0 weirctl export assign vm1 replicated
    written=$(tail -1 "$work/guest.log")
    goes_on() { [ "$(tail -1 "$work/guest.log")" -gt $((written + 5)) ] || ! alive "$guest_pid"; }
    wait_until 60 goes_on
    begin "$target"
    at "$source"
    wait_until 60 in_step
    types 0 weirctl replica status vm1
    alive "$guest_pid" || fail "the guest has seen it: $(cat "$work/guest.log")"
    stop_pid "$guest_pid"
    wait_until 60 in_step
    wait_until 60 same "$(reach "$source" vm1)" "$(reach "$target" vm1@latest)"
    not_needed weirctl replica accept vm1
    finished
    at "$target"
    serves_not "$(reach "$target" vm1)" "a target is served"
}

split() {
    # a cannot hear that b is promoted, and both are written
    at a
    stop_pid "${gateways[a]}"
    mv "$work/b/nbd.sock" "$work/b/away.sock"
    begin a
    fill "$(reach a vm1)" 77 9
    mv "$work/b/away.sock" "$work/b/nbd.sock"
    stop_pid "${gateways[a]}"
    at b
    expect 0 replica failover vm1
    new=$(given)
    fill "$new" 88 9
    begin a
    met() { source_is state fenced || source_is state fork; }
    wait_until 60 met
    serves_not "$(reach a vm1)" "a fork is served"
    expect 0 replica status vm1
    says "both sites"
    section "SPLIT BRAIN"
    at b
    types 0 weirctl replica failover vm1 --test
    assert_eq "$(byte "$(given)" 4) $(byte "$(given)" 9)" "11 00" "before they parted"
    assert_eq "$(byte "$(reach b vm1)" 9)" 88 "b, to look at"
    types 0 weirctl export close vm1@latest+test
    finished
    if [ "$1" = a ]; then
        failback_discard
        assert_eq "$(byte "$(reach a vm1)" 9)" 77 "a has won"
    else
        come_home --discard
        assert_eq "$(byte "$(reach a vm1)" 9)" 88 "b has won"
    fi
}

# The guest moves to b, b is replicated to a, the guest moves back, and a is replicated to b again.
exchange() {
    planned
    finished
    exchange_roles a b
    section "PLANNED FAILOVER"
    at b
    types 0 weirctl replica failover vm1 --planned --dry-run
    types 0 weirctl replica failover vm1 --planned
    serves_not "$(reach b vm1)" "the old source serves on"
    at a
    types 0 weirctl replica failover vm1
    new=$(given)
    assert_eq "$(byte "$new" 4) $(byte "$new" 5) $(byte "$new" 6) $(byte "$new" 20)" "11 22 33 55" "back at a"
    fill "$new" 44 7
    finished
    # b has a vault, in which vm1 is primary, and a was a source that is fenced
    exchange_roles b a
}

# a is fenced, and b, which took over, does not come back; and then it does
gone_for_ever() {
    expect 0 replica failover vm1 --planned
    dies b
    at a
    source_is state fenced || fail "$out"
    serves_not "$(reach a vm1)" "a fenced disk is served"
    expect 4 replica detach vm1
    complains "weirctl replica detach vm1 anyway"
    types 0 weirctl replica detach vm1 anyway
    source_is state detached || fail "$out"
    fill "$(reach a vm1)" 55 11
    begin b
    at a
    expect 0 replica attach vm1
    wait_until 60 source_is state fenced
    serves_not "$(reach a vm1)" "a disk that another site has"
    at b
    expect 0 replica failback vm1 --discard
    at a
    wait_until 60 in_step
    assert_eq "$(byte "$(reach a vm1)" 11)" 55 "what was written when the other site was gone"
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
}

unclear() {
    section "WHEN SOMETHING IS UNCLEAR"
    at a
    # suspended: a sync disk without its target, whose guest may go on
    expect 0 export option vm1 replication mode sync
    dies b
    spawn writer guest "$(reach a vm1)" 'h.pwrite(bytes([0x66]) * 4096, 10 << 20)'
    writer=$pid
    at a
    wait_until 60 source_is state suspended
    types 0 weirctl replica detach vm1
    wait "$writer" || fail "$(cat "$work/writer.log")"
    source_is state detached || fail "$out"
    begin b
    at a
    expect 0 replica attach vm1
    wait_until 60 in_step
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
    gone_for_ever
    # unrelated: the target has something else of that name
    stop_pid "${gateways[a]}"
    rm -r "$work/a/state" "$work/a/disks/vm1"
    mkdir "$work/a/state"
    begin a
    wait_until 60 source_is state refused
    ctl replica status vm1
    says accept
    at b
    types 0 weirctl replica accept vm1
    at a
    wait_until 60 in_step
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
    # a target with damage
    types 0 weirctl replica resync vm1 --all
    wait_until 60 in_step
    wait_until 60 same "$(reach a vm1)" "$(reach b vm1@latest)"
    finished
}

# ---- what is tested ----------------------------------------------------------------------------------------------

prepare
case $1 in
planned) planned_without_target; planned; finished ;;
unplanned) unplanned; unplanned_further_back; failback_discard ;;
test) test_failover ;;
home) planned; finished; come_home ;;
exchange) exchange ;;
split-a) split a ;;
split-b) split b ;;
unclear) unclear ;;
*) fail "there is no runbook $1" ;;
esac
