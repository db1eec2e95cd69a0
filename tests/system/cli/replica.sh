#!/usr/bin/env bash
# replica.sh - is replication shown at both ends, told what to do, and is what is lost said?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
replica=$work/replica
# two hosts: their gateways do not see each other
here=$WEIR_RUN there=$work/there
fake main --exports=vm1,vm2,vm3 --idle --replicated=vm1,vm2 --replica="$replica"
WEIR_RUN=$there
fake dr --exports=vm1,vm2,other --idle --vault=db:vm1,vm2 --idle-disks=vm1,vm2 --replica="$replica"

# ---- what the store of the log tells of itself is shown as that of a filter is
expect 0 export show log:db
says "    recv_bytes: 4096"
expect 0 --json export show log:db
json 'd["store_stats"] == {"recv_bytes": "4096"}'
# at HOST COMMAND…
at() { local WEIR_RUN=$1; shift; "$@"; }
# verbs HOST PATH: what an end was told until now
verbs() { at "$1" python3 "$WEIR_SOURCE/tests/filter/ctl.py" set "exports/$2" verbs | grep -vx verbs; }
source_verbs() { verbs "$here" "$1/filters/05-replication/ctl"; }
target_verbs() { verbs "$there" log:db/store/ctl; }
# status END JSON: what the statuses have from now on
status() { printf '{"%s": %s}' "$1" "$2" >"$replica.new"; mv "$replica.new" "$replica"; }

# ---- status: the source's host, the target's, one, for programs
WEIR_RUN=$here
expect 0 replica status
assert_eq "$out" "\
EXPORT  ROLE    STATE       LSN  DURABLE  BEHIND     AGE  LACKS  POINTS  TARGET
vm1     source  streaming  5000     4980  80 KiB  120 ms    0 B       -  nbds://dr.example/
vm2     source  streaming  5000     4980  80 KiB  120 ms    0 B       -  nbds://dr.example/"
all=$out
for name in vm2 db; do # a disk is a name of each member of its group
    expect 0 replica status $name
    assert_eq "$out" "$all"
done
expect 0 --json replica status
json '[d["replicas"][0][k] for k in ("gateway", "export", "filter", "role", "lag_lsn", "rpo_ms")] ==
    ["main", "vm1", "replication", "source", 20, 120]'
expect 3 replica status vm3
complains '"vm3" is neither sent from here nor arrives here'
now=$(date -u +%FT%T.000000000Z)
status target "{\"complete_time\": \"$now\", \"needs\": 16}"
WEIR_RUN=$there
expect 0 replica status
says "EXPORT  ROLE    STATE"
grep -qE '^log:db +target +receiving +4990 +4980 +- +[0-9.]+ s +1 MiB +3 +-$' <<<"$out" || fail "$out"
expect 0 --json replica status vm2
json '[(r["export"], r["group"], r["needs"]) for r in d["replicas"]] == [("log:db", "db", 16)]'

# ---- what is wrong is said below
status target '{"fold_error": "history cannot be folded", "shortened": true, "oldest": "2026-01-01T00:00:00Z"}'
expect 0 replica status db
says "log:db: history cannot be folded"
says "log:db: there is no room for as much history as is wanted: it begins at 2026-01-01T00:00:00Z"
WEIR_RUN=$here
status source '{"state": "fork", "last_error": "both have written", "mismatches": 2, "verify_total": 9437184,
    "fork": {"common": "00000000000000a1", "lsn": 4000, "source_lost": 1000, "target_lost": 12}}'
expect 0 replica status vm1
says "vm1: both have written"
says "vm1: both sites went on alone since LSN 4000, generation 00000000000000a1: 1000 LSNs here and 12 at the target"
says "vm1: verify has compared 0 B of 9 MiB"
says "vm1: verify has found 2 granules that differed"
status source '{"target_error": "cannot apply: No space left on device, 12 LSNs behind"}'
expect 0 replica status vm1
says "vm1: target: cannot apply: No space left on device, 12 LSNs behind"
status source '{"silent": "the disk is closed"}'
expect 0 replica status vm1
says "vm1: the disk is closed"
expect 1 replica verify vm1
complains "vm1: the disk is closed"
rm "$replica"

# ---- verbs of the source
expect 0 replica mark vm1 before-upgrade
assert_eq "$out" "mark done"
for verb in detach attach; do
    expect 0 --json replica $verb vm1
    json "d == {'gateway': 'main', 'export': 'vm1', 'done': '$verb', 'text': '$verb done'}"
done
assert_eq "$(source_verbs vm1)" "\
mark before-upgrade
detach
attach"
for verb in mark resync verify detach attach; do
    name=; [ $verb != mark ] || name=x
    expect 3 replica $verb vm3 $name
    complains 'export "vm3" has no filter of class replication: { filter = "replication"; target = "…"; } in its policy, "gold"'
done

# ---- points: by the name of the group, of a disk, of the log; within a time
WEIR_RUN=$there
for name in db vm1 log:db; do
    expect 0 replica points $name
    assert_eq "$out" "\
TIME                             LSN  POINT              GUEST
2026-01-01T00:00:00.000000000Z  1000  -                  -
2026-01-01T00:00:05.250000000Z  3000  rp:before-upgrade  quiesced
2026-01-01T00:00:10.500000000Z  4980  -                  -"
done
expect 0 --json replica points db --since=2026-01-01T00:00:05Z --until=2026-01-01T00:00:05.25Z
json '[p["lsn"] for p in d["points"]] == [3000] and d["group"] == "db" and d["export"] == "log:db"'
expect 0 --json replica points db --since=1h
json 'd["points"] == []'
expect 2 replica points db --since=yesterday
complains '--since=yesterday: a time is expected, as 2026-11-21T21:54:02Z, or 2h for that long ago'
expect 3 replica points dbs
complains 'no group and no disk "dbs" arrives here, did you mean "db"?'
WEIR_RUN=$here
expect 3 replica points vm1
complains '"vm1" is sent from here, and "replica points" is for where it arrives: run it at its target, nbds://dr.example/'
expect 3 replica points vm9
complains 'nothing arrives here: an export with the image "log:GROUP"'

# ---- a planned failover is the source's
rm -f "$replica"
status source '{"state": "streaming"}'
expect 0 replica failover vm1 --planned --dry-run
says 'group "db" is streaming: 80 KiB and 20 LSNs would be sent first; then its disks "vm1", "vm2" would fail'
assert_eq "$(source_verbs vm2)" "" # nothing was told
expect 0 replica failover vm2 --planned
assert_eq "$out" "handover done"
assert_eq "$(source_verbs vm2)" handover
for pair in "--planned --test" "--planned --latest" "--planned --point=lsn:3" "--latest --point=lsn:3" "--test --dry-run"; do
    # shellcheck disable=SC2086
    expect 2 replica failover vm1 $pair
    complains "cannot both be meant"
done

# ---- a test changes nothing
WEIR_RUN=$there
expect 0 replica failover db --test
says "nothing was changed"
says "gets the disks as of LSN 4980 of 2026-01-01T00:00:10.500000000Z"
says "(weirctl export close vm1@latest+test)"
says "vm1 nbd+unix:///vm1%40latest%2Btest?socket=/tmp/nbd.sock"
says "vm2 nbd+unix:///vm2%40latest%2Btest?socket=/tmp/nbd.sock"
expect 0 --json replica failover vm1 --test --point=2026-01-01T00:00:06Z
json 'd["done"] == "test" and d["lost"]["last_lsn"] == 3000 and d["disks"][1]["uri"] ==
    "nbd+unix:///vm2%402026-01-01T00%3A00%3A06Z%2Btest?socket=/tmp/nbd.sock"'
expect 3 replica failover db --test --point=2025-01-01T00:00:00Z
complains '"db" has no restore point as old as "2025-01-01T00:00:00Z": the oldest is 2026-01-01T00:00:00.000000000Z'
expect 3 replica failover db --point=rp:nonsense
complains '"db" has no restore point "rp:nonsense"; weirctl replica points db'
expect 2 replica failover db --point=noon
complains '--point=noon: a time is expected'
expect 0 replica failover db --test --point=lsn:4000
says "as of LSN 4000 of 2026-01-01T00:00:05.250000000Z"
says "vm2 nbd+unix:///vm2%40lsn%3A4000%2Btest?socket=/tmp/nbd.sock"
status target '{"refuses": "there is no such point"}'
expect 4 replica failover db --test --point=lsn:1
complains "there is no such point"
rm "$replica"
assert_eq "$(target_verbs | sort -u)" "\
points
promote 2026-01-01T00:00:06Z dry-run
promote latest dry-run
promote lsn:1 dry-run
promote lsn:4000 dry-run" # it was asked, and told to do nothing

# ---- unplanned: what would be lost, what is, and the disks open
expect 0 replica failover db --dry-run --point=rp:before-upgrade
says "promote would be done"
says "LSN 3000 of 2026-01-01T00:00:05.250000000Z; what the source wrote after it is lost:"
says "1980 LSNs, 5.25 s, that had arrived are given up"
expect 0 export show vm1
says "generation         1"
status target "{\"complete_time\": \"$(date -u -d '-90 seconds' +%FT%TZ)\", \"until_promoted\": {\"complete_lsn\": 4986}}"
expect 0 --json replica failover vm1
json 'd["done"] == "failover" and d["text"] == "promote done" and d["group"] == "db"'
# what arrived after it was asked, and before it was promoted, is not said to be lost
json 'd["lost"]["last_lsn"] == 4986 and d["lost"]["unfinished_lsns"] == 4 and 90 <= d["lost"]["seconds_at_most"] < 200'
json '[(e["disk"], e["uri"]) for e in d["disks"]] == [("vm1", "nbd+unix:///vm1?socket=/tmp/nbd.sock"),
    ("vm2", "nbd+unix:///vm2?socket=/tmp/nbd.sock")]'
expect 0 export show vm1
says "generation         2" # it was opened
expect 0 replica failover db # a second one only opens
says 'group "db" is primary here already'
says "vm2 nbd+unix:///vm2?socket=/tmp/nbd.sock"
expect 0 replica failover db --dry-run --point=lsn:4000
says "the last write that is there is LSN 4000 of 2026"
says "986 LSNs"
assert_eq "$(target_verbs | grep promote | tail -3)" "\
promote rp:before-upgrade dry-run
promote latest
promote lsn:4000 dry-run"

# ---- failback: who is connected comes first, what is refused leaves the disks open
expect 0 replica failback db --dry-run
assert_eq "$out" "demote would be done"
status target '{"refuses": "12 LSNs would be lost; --discard gives them up"}'
expect 4 replica failback vm1
complains "12 LSNs would be lost"
expect 0 --json export list
json '[e["state"] for e in d["exports"]] == ["active"] * 4'
rm "$replica"
expect 0 replica failback vm1 --discard
assert_eq "$out" "demote done"
expect 0 --json export list
json '[(e["name"], e["state"]) for e in d["exports"] if e["state"] != "active"] == [("vm1", "closed"), ("vm2", "closed")]'
assert_eq "$(target_verbs | tail -2)" "\
demote
demote discard"
expect 0 replica failback vm1
assert_eq "$out" 'group "db" is a target here already'
expect 0 replica accept vm2
assert_eq "$out" "accept done"
fake busy --exports=vm7 --idle --vault=seven:vm7 --replica="$replica"
status target '{"role": "primary"}'
expect 4 --gateway=busy replica failback seven
complains '1 client of "vm7" is connected: end its guest first'
rm "$replica"
fake mortal --exports=vm8 --idle --vault=eight:vm8 --idle-disks=vm8 --replica="$replica"
status target '{"role": "primary", "group": "eight", "disks": [{"name": "vm8", "size": 1048576}], "dies": true}'
expect 1 --gateway=mortal replica failback eight # its disk was closed, and nobody can open it again
assert_eq "$err" 'weirctl: gateway "mortal" went away before it answered'
rm "$replica"

# ---- two gateways of one host have the group
fake twin --exports= --idle --vault=db:vm1,vm2
expect 2 replica points db
complains '2 groups have "db": say --gateway=NAME, or the name of the group'
expect 0 --gateway=dr replica points db

# ---- resync and verify: watched by people and programs, not for ever, not at all
WEIR_RUN=$here
status source '{"state": "catching-up", "dirty_granules": 1024}'
expect 0 replica resync vm1 --dry-run
says '64 MiB of "vm1" would be sent to nbds://dr.example/'
expect 0 replica resync vm1 --all --dry-run
says '1 GiB of "vm1" would be sent to nbds://dr.example/, and what it asks for'
expect 0 replica resync vm1 --all --no-wait
assert_eq "$out" "resync done"
expect 5 --timeout=0.1 replica resync vm1
complains '64 MiB of "vm1" are to be sent, and the work goes on without weirctl: weirctl replica status vm1'
spawn person "$weirctl" replica resync vm1
person=$pid
spawn program "$weirctl" --json replica resync vm1
program=$pid
wait_until 60 grep -q 'resync of vm1: 0 %, [1-9][0-9]* s' "$work/person.log"
requires tmux
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux -u new-session -d -x 70 -y 10 -s resync \
    "env LC_ALL=C.UTF-8 $weirctl replica resync vm1; echo ended with \$?; cat"
shows() { $tmux capture-pane -p -t resync | grep -q "$1"; }
wait_until 60 shows 'resync of vm1  \[ *\]  0 %'
status source '{"state": "catching-up", "dirty_granules": 256}'
wait_until 60 shows 'resync of vm1  \[[^ ]* *\]  75 %'
rm "$replica"
wait_until 60 shows 'ended with 0'
wait "$person" || fail "resync failed for a person"
wait "$program" || fail "resync failed for a program"
assert_eq "$(cat "$work/program.log")" '{"gateway":"main","export":"vm1","done":"resync","text":"resync done"}'
for state in fenced fork refused detached waiting; do
    status source "{\"state\": \"$state\", \"dirty_granules\": 16, \"last_error\": \"for a reason\"}"
    expect 1 replica resync vm1
    complains "1 MiB of \"vm1\" are to be sent, and it gets no further: it is $state: for a reason"
done
status source '{"state": "connecting", "dirty_granules": 16, "last_error": "Connection refused"}'
expect 1 replica resync vm1 # after a while without progress
complains 'it gets no further: it is connecting: Connection refused'
rm "$replica"
assert_eq "$(source_verbs vm1 | grep resync | sort | uniq -c | sed 's/^ *//')" "\
10 resync
1 resync all"
expect 0 replica verify vm2
assert_eq "$out" "1 GiB were compared, 0 granules of 64 KiB differed"
status source '{"verify_total": 10485760, "verify_done": 4194304, "mismatches": 1}'
spawn verify "$weirctl" --json replica verify vm2
verify=$pid
expect 5 --timeout=0.1 replica verify vm2
complains '6 MiB of "vm2" are not compared yet'
spawn person "$weirctl" replica verify vm2
wait_until 60 grep -q 'verify of vm2: 40 %' "$work/person.log"
status source '{"verify_total": 10485760, "verify_done": 10485760, "mismatches": 1, "applied_lsn": 4999}'
spawn person "$weirctl" replica verify vm2
wait_until 60 grep -q 'verify of vm2: 100 %' "$work/person.log" # all is sent, and not yet compared
status source '{"verify_total": 10485760, "verify_done": 10485760, "mismatches": 4, "applied_lsn": 5000}'
code=0
wait "$verify" || code=$?
assert_eq "$code" 1 "of a verify that has found something"
assert_eq "$(cat "$work/verify.log")" '{"gateway":"main","export":"vm2","done":"verify","text":"10 MiB were compared, 3 granules of 64 KiB differed: they are sent again","compared_bytes":10485760,"mismatches":3}'
