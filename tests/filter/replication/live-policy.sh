#!/bin/bash
# live-policy.sh - does a policy that is edited while its disks are replicated take effect at once, whole or not at all?
# SPDX-License-Identifier: BSD-3-Clause
#
# live-policy.sh [SEED].  In the mount, as an editor does it: another file, and a rename.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
requires fusermount3
[ -w /dev/fuse ] || skip "needs /dev/fuse"
seed=${1:-$RANDOM}
echo "seed $seed"
DISKS=(vm1 vm2) GROUP=db
REPLICATION='mode = "async"; bandwidth = "max"; compression = "none"; without_peer = "degrade";'
start_sites
mnt=$work/mnt policy=$work/mnt/policies/p
mkdir "$mnt"
spawn weirfs "$weirfs" --run="$WEIR_RUN" -f -o timeout=60000 "$mnt"
cleanup_fn "fusermount3 -u -z $mnt"
wait_until 60 test -e "$policy"
start_ledger --seed "$seed" --pattern zipf --rate 300 --largest 16384 --flush 0.1 "$(uri vm1)" "$(uri vm2)"

edit() { # SED
    sed "$1" "$policy" >"$policy.new"
    if ! mv "$policy.new" "$policy" 2>"$work/mv.log"; then
        rm -f "$policy.new"
        return 1
    fi
}
of_both() { # OPTION: its value, the same of both disks
    local one two
    one=$(cat "$mnt"/exports/vm1/filters/*-replication/options/"$1")
    two=$(cat "$mnt"/exports/vm2/filters/*-replication/options/"$1")
    assert_eq "$one" "$two" "$1 of both disks"
    echo "$one"
}
reconnects() { cat "$mnt"/exports/vm?/filters/*-replication/stats/reconnects; } # one of both counts
change() { # OPTION VALUE: the chain stays, and nobody is met anew
    local before
    before=$(reconnects)
    edit "s/ $1 = \"[^\"]*\"/ $1 = \"$2\"/" || fail "$1 = $2: $(cat "$mnt/last_error")"
    assert_eq "$(of_both "$1")" "$2" "$1 after the edit"
    assert_eq "$(reconnects)" "$before" "connections after $1 = $2"
}
refused() { # SED SENTENCE
    local text
    text=$(cat "$policy" "$mnt"/exports/vm?/generation "$mnt"/exports/vm?/filters/*-replication/options/*)
    if edit "$1"; then fail "$1 was taken"; fi
    grep -qF -- "$2" "$mnt/last_error" || fail "$1: $(cat "$mnt/last_error")"
    assert_eq "$(cat "$policy" "$mnt"/exports/vm?/generation "$mnt"/exports/vm?/filters/*-replication/options/*)" "$text" "after $1"
}
stands_still() { local n; n=$(acked); sleep 0.5; [ "$(acked)" = "$n" ]; }
lags() { [ "$(statistic replication lag_bytes)" -ge $((2 << 20)) ]; }

# ---- on a machine that is busy nobody is lost, nor a write that waits, until this test says so
edit 's/^name = "p";/& hold_limit = "10m";/; s/peer_timeout = "'$peer_timeout'"/peer_timeout = "1h"/' || fail "$(cat "$mnt/last_error")"

# ---- bandwidth: the target falls behind; and what was sent slowly is no reason to wait afterwards: of a
# frame of 1 MiB at 8 KiB a second for two minutes
wait_acked 200
change bandwidth 64k
wait_until 60 lags
sent=$(statistic replication acked_lsn)
change bandwidth 8k
sends() { [ "$(statistic replication acked_lsn)" -gt "$sent" ]; }
wait_until 60 sends
lsn=$(statistic replication lsn)
change bandwidth max
has_it() { [ "$(statistic replication acked_lsn)" -ge "$lsn" ]; }
wait_until 100 has_it

# ---- mode and peer_timeout: a sync disk waits for a target that says nothing, for as long as it may
change mode sync
wait_streaming 60
wait_acked 100
proxy freeze
wait_until 60 stands_still
refused 's/"sync"/"snyc"/' '"snyc" is not a choice: option "mode" takes one of async, sync, sync-durable; did you mean "sync"?'
refused 's/"1h"/"1ms"/' '"1ms" is too small: option "peer_timeout" takes 100ms to 1h'
refused 's/bandwidth = "max"/ring = "8M"; frame = "4M"/' 'frame = 4M is more than an eighth of ring = 8M'
refused 's/target = "[^"]*";//' 'needs the option "target"'
wait_until 60 stands_still
is_not_state degraded || fail "it went on alone within an hour"
change peer_timeout 1s
wait_state degraded
wait_acked 100
change peer_timeout 30s
proxy heal
wait_streaming 120
change mode async
stop_ledger 0
grep -q "refused 0 lost 0" "$work/ledger.log" || fail "a guest saw it: $(cat "$work/ledger.log")"
wait_in_step 120
target_is_cut --acked

# ---- mode of one disk, which is its own from then on: the group is no safer than the other, and says so until both have it
modes() { status '.mode, .disks[].mode' | tr '\n' ' '; }
remark() { "$weirctl" replica status vm2 | grep -c 'the disks of group "db" have different modes' || true; }
option replication mode sync-durable
assert_eq "$(status '[.disks[] | "\(.name) \(.mode)"] | sort | join(", ")')" "vm1 sync-durable, vm2 async" "the modes of a group that is mixed"
assert_eq "$(status .mode)" async "the mode of a group that is mixed"
"$weirctl" replica status vm2 >"$work/said"
grep -q 'different modes (.*"vm2" is async.*), and together they are no safer than async: give all of them one' "$work/said" || fail "$(cat "$work/said")"
ctl set exports/vm2/filters/@replication/options/mode sync
assert_eq "$(status .mode)" sync "the mode of a group of sync and sync-durable"
assert_eq "$(remark)" 2 "remarks on sync and sync-durable, of both disks"
option replication mode sync
assert_eq "$(modes)" "sync sync sync " "the mode of a group that is not mixed"
assert_eq "$(remark)" 0 "a remark where nothing is mixed"
