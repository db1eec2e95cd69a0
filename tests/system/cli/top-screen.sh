#!/usr/bin/env bash
# top-screen.sh - do the pages and keys of weirctl top work in a real terminal?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires tmux
fake main --exports=alpha,beta,gamma,größe
pid_main=$pid
"$weirctl" export lock beta "the key is missing"

tmux="tmux -u -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux new-session -d -x 100 -y 30 -s watch \
    "env LC_ALL=C.UTF-8 $weirctl top --interval=0.2; echo ended with \$?; cat"
screen() { $tmux capture-pane -p -t watch; }
sees() { wait_until 60 bash -c "$tmux capture-pane -p -t watch | tee '$work/screen.log' | grep -qE -- '$1'"; }
order() { [ "$(screen | sed -n '4,7s/^ \([^ ]*\).*/\1/p' | tr '\n' ' ')" = "$1 " ]; }
keys() { $tmux send-keys -t watch "$@"; }

# ---- the list: all disks, the reason of the locked one, bars, totals
sees 'weir top   4 exports, 1 gateway, 4 clients'
sees '^ alpha +active'
sees '^ beta +locked .* the key is missing'
sees '^ größe +active'
sees '[▁▂▃▄▅▆▇█]{3}'
sees '^ IOPS [0-9.]+k? '
wait_until 60 order "alpha beta gamma größe"

# ---- order
keys r
sees 'EXPORT▲'
wait_until 60 order "größe gamma beta alpha" # the heading may be there sooner
keys r
keys '>'
sees ' IOPS▼'
keys '<'
sees 'EXPORT▼'

# ---- find
keys /
keys a l p
sees 'find: alp'
keys Enter
sees 'only names with "alp"'
gone() { ! screen | grep -q '^ gamma'; }
wait_until 60 gone
keys Escape
sees '^ gamma'

# ---- a disk, the filter, and back
keys Home
keys Down Down
keys Enter
sees 'weir top   gamma of gateway main'
sees 'policy gold \(compliant\)  3 GiB  1 client'
sees '^ read +[0-9]'
sees '^ 10-fault +[0-9]'
sees '^ store +[0-9]'
sees '[0-9]% +█'
sees '┤'
keys t
sees 'since start'
keys t
keys Enter
sees '10-fault   class none'
sees 'longest ever 1.20 ms'
sees 'delayed +17'
keys Left
sees '^ CHAIN'
keys Down Down Enter
sees 'store   datastore local   image gamma.raw'
keys n
sees 'größe of gateway main'
keys Escape
keys Escape
sees 'EXPORT▼'

# ---- help, pause, interval
keys '?'
sees 'the next disk, the one before'
keys x
sees 'EXPORT▼'
keys p
sees PAUSED
keys p
keys +
sees 'every 0.5 s'

# ---- every size, the smallest too; nothing breaks and all comes back
for size in "40 10" "20 4" "3 2" "1 1" "200 50" "80 24"; do
    # shellcheck disable=SC2086
    set -- $size
    $tmux resize-window -t watch -x "$1" -y "$2"
    keys Enter
    keys Escape
done
sees '^ alpha +active .*[▁▂▃▄▅▆▇█ ]'
sees 'q quit'

# ---- a terminal that nobody knows
$tmux new-session -d -x 80 -y 24 -s none \
    "env TERM=no-such-terminal $weirctl top; echo ended with \$?; cat"
wait_until 60 bash -c "$tmux capture-pane -p -t none | grep -q 'no terminal of type \"no-such-terminal\"'"
wait_until 60 bash -c "$tmux capture-pane -p -t none | grep -q 'ended with 1'"

# ---- one export that was asked for is opened at once
$tmux new-session -d -x 80 -y 24 -s only "env LC_ALL=C $weirctl top gamma --interval=0.2"
wait_until 60 bash -c "$tmux capture-pane -p -t only | grep -q 'gamma of gateway main'"
$tmux send-keys -t only q

# ---- a gateway that dies is told; its disks go
stop_pid "$pid_main"
sees 'gateway main does not run'
sees 'no exports'
keys q
sees 'ended with 0'
