#!/usr/bin/env bash
# progress.sh - does somebody who waits see that the work goes on, and only then?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires tmux

fake quick
quick() ( # again when a busy machine made it slow
    expect 0 --gateway=quick reload
    assert_eq "$err" "" "quick work needs no progress"
)
wait_until 60 quick

fake slow --slow="$work/slow"
touch "$work/slow"
spawn program "$weirctl" --gateway=slow --json reload
program=$pid
spawn person "$weirctl" --gateway=slow reload
person=$pid
wait_until 60 grep -q 'reloading slow: [1-9][0-9]* s' "$work/person.log"
rm "$work/slow"
wait $program && wait $person || fail "a slow reload failed"
assert_eq "$(cat "$work/program.log")" '{"reloaded":["slow"]}' "a program needs no progress"
touch "$work/slow"
expect 5 --gateway=slow --timeout=0.2 export open vm1
complains 'gateway "slow" did not answer in time; --timeout=SECONDS waits longer'

# A bar on a terminal, in letters that it has; gone when the work is done.
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
for locale in C C.UTF-8; do
    block='#' name=plain
    [ $locale = C ] || block='█' name=wide
    touch "$work/slow"
    $tmux -u new-session -d -x 70 -y 10 -s $name \
        "env LC_ALL=$locale $weirctl --gateway=slow export open vm2; echo ended with \$?; cat"
    wait_until 60 bash -c "$tmux capture-pane -p -t $name | grep -q 'opening vm2  \[ *$block'"
    rm "$work/slow"
    wait_until 60 bash -c "$tmux capture-pane -p -t $name | grep -q 'ended with 0'"
    $tmux capture-pane -p -t $name | grep -q 'opening' && fail "the bar is still there"
done
exit 0
