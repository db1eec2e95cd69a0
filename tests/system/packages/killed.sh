#!/bin/bash
# killed.sh - is what is installed whole, old or new, whenever weirctl or the gateway is killed?
# SPDX-License-Identifier: BSD-3-Clause
#
#     killed.sh [STRIDE]    each step, or each STRIDEth
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq
package one; one=$package
package two; two=$package
expect 0 filter install "$one"
serve_two

# ---- weirctl dies just before each thing that it does
# upgrade N PACKAGE: killed at its Nth step; sets $code.
upgrade() {
    code=0
    { LD_PRELOAD=$built/dies.so ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 DIES_AT=$1 \
        "$weirctl" filter upgrade "$2" >"$work/killed.log" 2>&1 || code=$?; } 2>/dev/null
}
old=0 new=0 stride=${1:-3}
for ((n = 1; ; n += stride)); do
    rm -rf "$WEIR_FILTERS"/packages/packaged/2-* # as if nobody had tried before
    upgrade $n "$two"
    [ "$code" != 0 ] || break
    assert_eq "$code" 137 "weirctl ended otherwise at step $n: $(cat "$work/killed.log")"
    is=$(installed) || fail "killed at step $n: what is installed is not whole"
    case $is in 1) old=$((old + 1)) ;; 2) new=$((new + 1)) ;; *) fail "version $is is installed" ;; esac
    # the disks are served by one of both, and what differs is told
    for export in first second; do
        assert_eq "$("$weirctl" --json export show $export | jq -r .state)" active
        if [ "$(runs $export)" = "$is" ]; then wanted=compliant; else wanted=non-compliant; fi
        assert_eq "$(compliance $export)" $wanted "killed at step $n, $(runs $export) runs and $is is installed"
    done
    # the next one makes all good
    expect 0 filter upgrade "$one"
    assert_eq "$(installed) $(runs first) $(runs second)" "1 1 1"
    assert_eq "$(find "$WEIR_FILTERS/packages/packaged" -mindepth 1 -name '.*')" "" "left behind by step $n"
done
echo "killed at $((old + new)) steps: $old times the old one is installed, $new times the new one"
((old + new >= 24 / stride)) || fail "that is not all steps"
((stride > 1 || new > 2)) || fail "it was never killed after the new one was in place"
assert_eq "$(installed) $(runs first)" "2 2"

# ---- the gateway dies in the middle: first has gone over, and second takes it along
expect 0 filter upgrade "$one"
package kills
expect 1 filter upgrade "$package"
complains "went away before it answered"
complains "everything was put back as it was"
assert_eq "$(installed)" 1
wait "$gateway_pid" 2>/dev/null || true
serve
assert_eq "$(runs first) $(runs second)" "1 1"
assert_eq "$(compliance first) $(compliance second)" "compliant compliant"
expect 0 filter upgrade "$two"
assert_eq "$(installed) $(runs first) $(runs second)" "2 2 2"
