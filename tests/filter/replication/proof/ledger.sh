#!/bin/bash
# ledger.sh - do ledger and prefix-check say of a plain export what is so?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/proof/proof.sh" || exit
SIZE=32M
seed=${1:-$RANDOM}
echo "seed $seed"
fault='{ filter = "fault"; ops = "read"; }'
begin() { # a new disk, and its ledger
    stop_gateway
    rm -rf "$disk" "$work/overrides.d" # options that were set are there
    ledger_log=$work/ledger-$1
    serve "$fault"
}
serve "$fault"

# a gateway that is killed loses nothing that it acknowledged
start_ledger --seed "$seed" --pattern overlap --connections 2 --reconnect 60 --server-dies "$url"
for ((i = 0; i < 5; i++)); do
    wait_acked 500
    kill_server
    is_cut --acked --torn "$disk"
    serve "$fault"
done
wait_acked 500
stop_ledger
is_cut --acked "$disk"
is_cut --acked --json "$(uri vm1)"
assert_eq "$(verdict lost)" 0 "acknowledged writes that are lost"
start_ledger --seed "$seed" --ops 500 "$url" # the history goes on
end_ledger
is_cut --acked "$disk"

# from a moment on everything is lost, and yet acknowledged: a cut, without what was flushed
begin lose
start_ledger --seed "$seed" --pattern zipf --flush 0.05 "$url"
wait_acked 1000
option fault lose true
option fault ops write,zero,trim,flush
wait_acked 1000
stop_ledger
is_cut --json "$disk"
[ "$(verdict lost)" -gt 900 ] || fail "$(cat "$work/verdict")"
[ "$(verdict lost_hardened)" -gt 800 ] || fail "$(cat "$work/verdict")"
is_no_cut "NOT all that is demanded" --acked "$disk"
is_no_cut "NOT all that is demanded" --hardened "$disk"
option fault ops read
start_ledger --seed "$seed" --ops 500 --pattern zipf "$url" # goes on as if nothing were
end_ledger
is_no_cut "NOT a legal cut" "$disk"

# one write of a thousand is lost, torn, or has a wrong byte
for what in 'lose = true' 'torn = "2k"; lose = true' 'corrupt = true'; do
    fault="{ filter = \"fault\"; ops = \"write\"; rate = 0.01; seed = $seed; $what; }"
    begin "$what"
    start_ledger --seed "$seed" --ops 2000 "$url"
    end_ledger
    is_no_cut "NOT a legal cut" "$disk"
    fault='{ filter = "fault"; ops = "read"; }'
done

# refused writes may be there or not
fault='{ filter = "fault"; ops = "write"; rate = 0.1; error = "EIO"; after = true; }'
begin refused
start_ledger --seed "$seed" --ops 2000 "$url"
end_ledger
is_cut --acked "$disk"
option fault after false
start_ledger --seed "$seed" --ops 2000 "$url"
end_ledger
is_cut --acked "$disk"
