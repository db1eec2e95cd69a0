#!/bin/bash
# waits.sh - do writers who wait for a slow store cost no CPU?
# SPDX-License-Identifier: BSD-3-Clause
#
# The log is full of dirty blocks, the store needs ten seconds for each write, and 60 writers wait.  They, the
# keeper and the destager sleep when nobody wakes whom he cannot help.
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
requires fio
configure "$(cached 'mode = "write-back";')"
sed -i 's|^\(datastores.*path = "[^"]*";\)|\1 emulate = { servers = 64; service_time = "10s"; };|' "$work/weir.conf"
grep -q emulate "$work/weir.conf" || fail "the datastore is as fast as ever"

answered() { ctl get exports/vm1/stats/write/requests; }
stands() { # nobody is answered any more
    local before; before=$(answered)
    [ "$before" -gt 500 ] && sleep 0.5 && [ "$(answered)" = "$before" ]
}
switches() { # a thread may end meanwhile
    { cat /proc/"$gateway_pid"/task/*/status 2>/dev/null || true; } | awk '/ctxt_switches/ {n += $2} END {print n}'
}

# whether it is what may be dirty that they wait for, or pages of the log
for limit in 50% 100%; do
    write_policy "$(cached "mode = \"write-back\"; dirty_limit = \"$limit\";")"
    rm -f "$pool"
    rm -rf "${WEIR_STATE:?}"/*
    serve_again
    spawn load fio --name=load --ioengine=nbd --uri="$url" --rw=randwrite --bs=4k --iodepth=60 --size="$SIZE"
    load_pid=$pid
    wait_until 60 stands
    before=$(switches)
    sleep 1
    after=$(switches)
    stands || fail "somebody was answered meanwhile: this test has seen nothing"
    echo "dirty_limit $limit: $((after - before)) switches in a second"
    [ $((after - before)) -lt 2000 ] || fail "$((after - before)) switches of threads in a second in which nothing could happen"
    { kill -9 "$load_pid"; wait "$load_pid" || true; } 2>/dev/null # no "Killed" in the log
    kill_server
done
