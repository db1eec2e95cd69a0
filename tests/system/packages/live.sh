#!/bin/bash
# live.sh - is a filter upgraded again and again under fio --verify without one error?
# SPDX-License-Identifier: BSD-3-Clause
#
#     live.sh [TIMES]
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires fio jq
times=${1:-${WEIR_REPEAT:-25}}
package one; one=$package
package two; two=$package
expect 0 filter install "$one"
serve_two

verify() {
    local round=0
    until [ -e "$work/stop" ]; do
        fio --name=verify --ioengine=nbd --uri="$1" --rw=randwrite --bsrange=512-64k --blockalign=512 --size=8m \
            --iodepth=16 --fsync=100 --randseed=$((round++)) --verify=crc32c --verify_fatal=1 \
            >"$work/fio.log" 2>&1 || return
        echo "ROUND $round"
    done
}
verify "$(uri first)" >"$work/verify.log" &
load=$!
_pids+=("$load")
wait_until 60 grep -q 'ROUND 1' "$work/verify.log"
pid_before=$gateway_pid
longest=0
for ((n = 1; n <= times; n++)); do
    if ((n % 2)); then next=$two version=2; else next=$one version=1; fi
    expect 0 --json filter upgrade "$next"
    pause=$(jq '[.exports[].paused_ns] | max' <<<"$out")
    ((pause > 0)) || fail "upgrade $n paused nothing: $out"
    ((pause <= longest)) || longest=$pause
    ((n % 50)) || echo "$n upgrades, longest pause $((longest / 1000)) us"
    alive "$load" || fail "fio ended during upgrade $n: $(cat "$work/fio.log")"
done
assert_eq "$(runs first)" "$version"
assert_eq "$(runs second)" "$version"
touch "$work/stop"
wait "$load" || fail "fio saw an error: $(tail -5 "$work/fio.log")"
kill -0 "$pid_before"

# what a thousand upgrades between two versions leave behind is two libraries, and the kept
# version on disk
copies=$(find "/proc/$gateway_pid/fd" -lname '*memfd:weir-filter*' | wc -l)
mapped=$(grep 'memfd:weir-filter' "/proc/$gateway_pid/maps" | awk '{print $5}' | sort -u | wc -l)
files=$(ls "$WEIR_FILTERS"/*.so | wc -l) # each is loaded once, to be listed; one of them twice
((copies <= files + 1 && mapped <= files + 1)) || fail "$copies copies of $files filters are open, and $mapped are mapped"
assert_eq "$(ls "$work/filters/packages/packaged" | wc -l)" 2 "versions on disk"
assert_eq "$(compliance first)" compliant
rounds=$(grep -c ROUND "$work/verify.log")
echo "$times upgrades, $rounds rounds of fio --verify, no error; longest pause $((longest / 1000)) us"
