#!/usr/bin/env bash
# completion.sh - does bash offer the words that may come next?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main --exports=vm1,vm2,db --control=vm1,db --encrypted=vm1
. "$WEIR_SOURCE/gateway/weirctl/weirctl.bash"

# offers LINE WORDS: what is offered at the end of the line, without the spaces that end words
offers() {
    COMP_LINE=$1 COMP_POINT=${#1}
    _weirctl "$weirctl"
    local got="${COMPREPLY[*]% }"
    assert_eq "$got" "$2" "after '$1'"
}
complete -p weirctl | grep -q -- '-F _weirctl' || fail "it is not registered"

offers "weirctl ev" "events"
offers "weirctl p" "policy"
offers "weirctl export s" "show stats snapshot stun"
offers "weirctl export show " "vm1 vm2 db"
offers "weirctl export show v" "vm1 vm2"
offers "weirctl export show vm1 " ""
offers "weirctl export assign vm1 " "gold plain"
offers "weirctl policy assign gold vm1 v" "vm1 vm2"
offers "weirctl --run=$WEIR_RUN status d" "db"
offers "weirctl --run=$work/nowhere status " ""
offers "weirctl export option vm1 f" "fault"
offers "weirctl export option vm1 fault dela" "delay delay_jitter"
offers "weirctl filter describe p" "pass"
offers "weirctl d" "datastore"
offers "weirctl datastore s" "show set"
offers "weirctl datastore show " "local"
offers "weirctl datastore set local " "latency_threshold"
offers "weirctl datastore set local latency_threshold " ""
offers "weirctl control s" "show set"
offers "weirctl control show v" "vm1 vm2"
offers "weirctl control set vm1 " "mode shares reservation iops bytes_per_sec max_delay"
offers "weirctl control set vm2 s" ""
offers "weirctl key r" "remove rekey"
offers "weirctl key add v" "vm1 vm2"
offers "weirctl key add vm1 c" "credential: clevis:"
offers "weirctl key rekey vm1 k" "keyring:"
offers "weirctl key rekey vm1 --d" "--deep"
offers "weirctl key remove vm1 " "0 2"
offers "weirctl key remove vm2 " ""
offers "weirctl cache d" "drain detach discard"
offers "weirctl cache drain vm1 --n" "--no-wait"
offers "weirctl cache discard vm1 " "yes"
offers "weirctl cache ch" "check"
offers "weirctl export option vm1 con" "control"
offers "weirctl --gateway=" "main"
offers "weirctl top --sort=p" "p50 p99"
offers "weirctl events --f" "--follow"
offers "weirctl events --s" "--since="
offers "weirctl status --f" ""
offers "weirctl help export g" "grow"
offers "weirctl nonsense " ""
