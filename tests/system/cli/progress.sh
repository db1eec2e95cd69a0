#!/usr/bin/env bash
# progress.sh - does somebody who waits see that the work goes on, and only then?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires tmux

fake quick
expect 0 --gateway=quick reload
assert_eq "$err" "" "quick work needs no progress"

fake slow --slow=3
expect 0 --gateway=slow reload
complains "reloading slow: 1 s"
expect 0 --gateway=slow --json reload
assert_eq "$err" "" "a program needs no progress"
expect 5 --gateway=slow --timeout=0.2 export open vm1
complains 'gateway "slow" did not answer in time; --timeout=SECONDS waits longer'

# A bar on a terminal, in letters that it has; gone when the work is done.
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
for locale in C C.UTF-8; do
    block='#' name=plain
    [ $locale = C ] || block='█' name=wide
    $tmux -u new-session -d -x 70 -y 10 -s $name \
        "env LC_ALL=$locale $weirctl --gateway=slow export open vm2; echo ended with \$?; cat"
    wait_until 20 bash -c "$tmux capture-pane -p -t $name | grep -q 'opening vm2  \[ *$block'"
    wait_until 20 bash -c "$tmux capture-pane -p -t $name | grep -q 'ended with 0'"
    $tmux capture-pane -p -t $name | grep -q 'opening' && fail "the bar is still there"
done
exit 0
