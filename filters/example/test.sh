#!/bin/bash
# test.sh - is a disk that fails for a moment whole for its client, and does each error arrive
# that must?
# SPDX-License-Identifier: BSD-3-Clause
#
# `meson test` runs it, as anybody: WEIR_FILTERS says where the filters are.  In front of a disk
# in memory stands weir's filter fault, which is the datastore that is away.
set -eu
work=$(mktemp -d)
trap 'kill $gateway $mount 2>/dev/null || true; wait; rm -rf "$work"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
until_true() {
    while kill -0 $gateway $mount; do "$@" 2>/dev/null && return; sleep 0.05; done
    fail "gateway or mount has ended before: $*"
}

mkdir "$work/run" "$work/fs" "$work/policies.d"
cat >"$work/weir.conf" <<CONF
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "disk"; datastore = "m"; size = "1M"; policy = "tried"; } );
include_policies = "policies.d";
CONF
cat >"$work/policies.d/tried.conf" <<CONF
hold_limit = "0s";
filters = ( { filter = "retry"; every = "10ms"; give_up = "never"; },
            { filter = "fault"; ops = "write"; count = 3; error = "EIO"; } );
CONF
nbdkit -f -U "$work/sock" "${WEIR_PLUGIN:-weir}" conf="$work/weir.conf" run="$work/run" state="$work/state" &
gateway=$!
weirfs --run="$work/run" -f "$work/fs" &
mount=$!
folder() { echo "$work"/fs/exports/disk/filters/*-"$1"; } # a number, its place, goes before
until_true eval 'test -e "$(folder retry)/stats/healed"'
retry=$(folder retry) fault=$(folder fault)

client() { nbdsh -u "nbd+unix:///disk?socket=$work/sock" -c "$@"; }
is() { [ "$(cat "$retry/stats/$1")" = "$2" ]; }
expect() { is "$1" "$2" || fail "$1 is $(cat "$retry/stats/$1"), not $2"; }
is_away() { echo "$2" >"$fault/options/count"; echo "$1" >"$fault/options/ops"; echo reset >"$fault/ctl"; }

# three errors, and the client sees none of them
client 'h.pwrite(b"x" * 512, 0); assert h.pread(512, 0) == b"x" * 512'
expect failures 1
expect tries 3
expect healed 1
grep -q '^count=1 ' "$retry/stats/outage" || fail "the outage is not counted"

# a read gets what is on the disk, not what was in the buffer
is_away read 2
client 'assert h.pread(512, 0) == b"x" * 512'
expect healed 2

# a flush is not tried again
is_away flush 1
client 'h.flush()' 2>"$work/said" && fail "a failed flush was kept secret"
grep -q 'Input/output error' "$work/said" || fail "not EIO: $(cat "$work/said")"
expect failures 2

# an administrator who has seen enough
is_away write 0 # all of them
client 'h.pwrite(b"y" * 512, 0)' 2>"$work/said" & client=$!
until_true is waiting 1
echo give-up >"$retry/ctl"
wait $client && fail "what was given up succeeded"
expect given_up 1

# options change while requests wait
client 'h.pwrite(b"y" * 512, 0)' 2>"$work/said" & client=$!
until_true is waiting 1
echo 1ms >"$retry/options/give_up"
wait $client && fail "what waited too long succeeded"
expect given_up 2
expect waiting 0

# a change of the policy gives it a last try, and the filters go
echo never >"$retry/options/give_up"
echo 1m >"$retry/options/every"
is_away write 1
client 'h.pwrite(b"z" * 512, 0)' & client=$!
until_true is waiting 1
echo 'filters = ( );' >"$work/fs/exports/disk/policy.conf"
wait $client || fail "a change of the policy failed a request"
client 'assert h.pread(512, 0) == b"z" * 512'
[ ! -e "$retry" ] || fail "the filter is still there"
