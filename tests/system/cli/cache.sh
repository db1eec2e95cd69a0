#!/usr/bin/env bash
# cache.sh - are caches shown, told what to do, watched until it is done, and is their curve drawn?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main --exports=vm1,vm2,vm3 --idle --cached=vm1,vm2 --control=vm2 --cache="$work/cache"
# verbs EXPORT: what its filter was told until now
verbs() {
    python3 "$WEIR_SOURCE/tests/filter/ctl.py" set "exports/$1/filters/25-cache/ctl" verbs | grep -vx verbs
}

# ---- status of all and of one
expect 0 cache status
assert_eq "$out" "\
EXPORT  MODE        POOL   HITS  DIRTY   CLEAN  BACKLOG  STATE
vm1     write-back  ssd   91.8%  8 MiB  56 MiB   2.50 s  write-back
vm2     write-back  ssd   91.8%  8 MiB  56 MiB   2.50 s  write-back"
expect 0 cache status vm2
assert_eq "$out" "\
EXPORT  MODE        POOL   HITS  DIRTY   CLEAN  BACKLOG  STATE
vm2     write-back  ssd   91.8%  8 MiB  56 MiB   2.50 s  write-back"
expect 0 --json cache status vm1
json 'd == {"caches": [{"gateway": "main", "export": "vm1", "filter": "cache", "mode": "write-back",
    "state": "write-back", "pool": "ssd", "hits": 900, "misses": 80, "partial_hits": 20, "bypassed": 7,
    "dirty_bytes": 8388608, "clean_bytes": 58720256, "occupancy_percent": 64, "destaged_bytes": 5242880,
    "destage_backlog": 2500}]}'
for verb in status flush drain detach fill invalidate discard mrc; do
    expect 3 cache $verb vm3
    complains 'export "vm3" has no filter of class cache: { filter = "cache"; pool = "…"; } in its policy, "gold"'
    expect 3 cache $verb vm4
    complains 'no export "vm4"'
done

# ---- each verb, told once; what is done at once
for verb in flush drain detach fill invalidate; do
    expect 0 cache $verb vm1
    assert_eq "$out" "$verb done"
done
expect 4 cache discard vm1
complains '8388608 bytes would be lost; discard yes does it'
expect 0 --json cache discard vm1 yes
json 'd == {"gateway": "main", "export": "vm1", "done": "discard", "text": "discard done"}'
assert_eq "$(verbs vm1)" "\
flush
drain
detach
fill
invalidate
discard
discard yes"
expect 2 cache invalidate vm1 --no-wait
complains '"cache invalidate" does not take --no-wait'

# ---- drain: watched by a person, as lines and on a terminal; by a program; not for ever; not at all
echo 8 5 2500 write-through, draining >"$work/cache"
expect 0 cache drain vm2 --no-wait
assert_eq "$out" "drain done"
assert_eq "$(verbs vm2)" drain
spawn person "$weirctl" cache drain vm2
person=$pid
spawn program "$weirctl" --json cache drain vm2
program=$pid
wait_until 60 grep -q 'draining vm2: 0 %, [1-9][0-9]* s' "$work/person.log"
expect 0 cache status vm2
says "2.50 s  write-through, draining"
expect 5 --timeout=0.1 cache drain vm2
complains '8 MiB of "vm2" are dirty, and the work goes on without weirctl: weirctl cache status vm2'
requires tmux
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux -u new-session -d -x 70 -y 10 -s wide \
    "env LC_ALL=C.UTF-8 $weirctl cache drain vm2; echo ended with \$?; cat"
shows() { $tmux capture-pane -p -t "${pane:-wide}" | grep -q "$1"; }
wait_until 60 shows 'draining vm2  \[ *\]  0 %  [0-9]* s$'
echo 6 7 2500 write-through, draining >"$work/cache" # 2 of 8 MiB are written back
wait_until 60 shows 'draining vm2  \[[^ ]* *\]  25 %  [0-9]* s$'
rm "$work/cache"
wait_until 60 shows 'ended with 0'
shows 'drain done' || fail "the end is not said"
! shows 'draining' || fail "the bar is still there"
wait "$person" || fail "drain failed for a person"
wait "$program" || fail "drain failed for a program"
assert_eq "$(cat "$work/program.log")" '{"gateway":"main","export":"vm2","done":"drain","text":"drain done"}'

# ---- flush while the guest writes on: what is written back counts
echo 8 100 99999999 write-back >"$work/cache"
spawn person "$weirctl" cache flush vm2
person=$pid
wait_until 60 grep -q 'flushing vm2: 0 %' "$work/person.log"
$tmux -u new-session -d -x 70 -y 10 -s flush "env LC_ALL=C.UTF-8 $weirctl cache flush vm2; cat"
pane=flush
wait_until 60 shows 'flushing vm2  \[ *\]  0 %'
echo 8 104 99999999 write-back >"$work/cache"
wait_until 60 shows 'flushing vm2  \[[^ ]* *\]  50 %'
echo 8 120 99999999 write-back >"$work/cache"
wait_until 60 shows 'flushing vm2  \[[^ ]* *\]  99 %'
echo 8 120 900 write-back >"$work/cache" # what is dirty now was not yet when flush began
wait "$person" || fail "flush failed"

# ---- it ends otherwise: the store refuses, the disk is locked, or the gateway goes away
echo 8 120 2500 "write-through, destage fails: No space left on device" >"$work/cache"
expect 1 cache drain vm2
complains '8 MiB of "vm2" are dirty, and it gets no further: No space left on device'
ends_badly() { # CODE WORDS, after what is done meanwhile
    code=0
    wait "$person" || code=$?
    assert_eq "$code" "$1" "exit code"
    grep -qF -- "$2" "$work/person.log" || fail "'$2' is not in: $(cat "$work/person.log")"
}
echo 8 120 2500 detaching >"$work/cache"
spawn person "$weirctl" cache detach vm2
person=$pid
wait_until 60 grep -q '0 %' "$work/person.log"
echo 8 120 2500 "locked: the pool is gone" >"$work/cache"
ends_badly 1 '8 MiB of "vm2" are dirty, and its cache is locked: the pool is gone'

# ---- the curve: as a table, for a program, on a terminal of either kind
rm "$work/cache"
expect 0 cache fill vm2
echo 8 120 2500 write-back >"$work/cache"
expect 0 cache mrc vm2
assert_eq "$(head -3 <<<"$out")" "\
   SIZE  MISSES
  4 KiB   90.0%
  8 KiB   90.0%"
assert_eq "$(tail -3 <<<"$out")" "\
256 MiB   20.0%
512 MiB   20.0%
half 32 MiB: 30.0%, now 64 MiB: 20.0%, twice 128 MiB: 20.0%"
expect 0 --json cache mrc vm2
json 'd["export"] == "vm2" and d["size_bytes"] == 67108864 and d["miss_ratio"] == 0.2'
json 'len(d["points"]) == 18 and d["points"][9] == {"size_bytes": 2097152, "miss_ratio": 0.7}'
drawn() { $tmux capture-pane -p -t "$1" | sed 's/ *$//' | grep -v '^$'; }
$tmux -u new-session -d -x 76 -y 20 -s curve "env LC_ALL=C.UTF-8 $weirctl cache mrc vm2; cat"
pane=curve
wait_until 60 shows '128 MiB: 20.0%'
assert_eq "$(drawn curve)" "\
misses of vm2 by the size of its cache
  100 % ┤                                                      ┊
        │•••••••••••••••••••••••••••••                         ┊
        │                             ••••                     ┊
        │                                 ••••                 ┊
        │                                     ••••             ┊
   50 % ┤                                         •••          ┊
        │                                            ••••      ┊
        │                                                ••••  ┊
        │                                                    ••••••••••••••
        │                                                      ┊
    0 % ┤                                                      ┊
        └──────────────────────────────────────────────────────────────────
         4 KiB                                                 now  512 MiB
half 32 MiB: 30.0%, now 64 MiB: 20.0%, twice 128 MiB: 20.0%"
$tmux new-session -d -x 60 -y 20 -s plain "env LC_ALL=C $weirctl cache mrc vm2; cat"
pane=plain
wait_until 60 shows '128 MiB: 20.0%'
drawn plain | grep -q '^  100 % +  *:$' || fail "the curve in plain letters: $(drawn plain)"

# ---- nothing is known yet; the gateway goes away
fake new --exports=vm9 --idle --cached=vm9 --cache-new
expect 1 --gateway=new cache mrc vm9
complains 'nothing is known yet of what "vm9" would miss'
echo 8 120 99999999 write-back >"$work/cache"
spawn person "$weirctl" cache flush vm1
person=$pid
wait_until 60 grep -q 'flushing' "$work/person.log"
stop_pid "${_pids[0]}"
ends_badly 1 'gateway "main"'
