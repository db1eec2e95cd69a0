#!/usr/bin/env bash
# gateways.sh - which of several gateways is asked, and what of the dead and the silent?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"

fake left --exports=both,only-left
fake right --exports=both,only-right
right_pid=$pid

# ---- both are seen
expect 0 status
assert_eq "$(grep -c both <<<"$out")" 2
grep -q '^GATEWAY' <<<"$out" || fail "which gateway has an export is not shown: $out"
expect 0 --json status
json '[(e["gateway"], e["name"]) for e in d["exports"]] == [("left", "both"), ("left", "only-left"),
    ("right", "both"), ("right", "only-right")]'
expect 0 --json events --since=2
assert_eq "$(wc -l <<<"$out")" 2
expect 0 --json reload
json 'd["reloaded"] == ["left", "right"]'

# ---- the one that has it is found; when two have it they are named
expect 0 --json export show only-right
json 'd["gateway"] == "right"'
expect 2 export show both
complains 'gateways "left" and "right" have an export "both": say which with --gateway=NAME'
expect 0 --json export show both --gateway=right
json 'd["gateway"] == "right"'
expect 3 export show only-right --gateway=left
expect 3 export show onlyright
complains 'did you mean "only-right"?'
expect 2 policy show gold
complains "say which with --gateway=NAME"
expect 2 metrics
complains 'gateways "left" and "right" run'
expect 0 --json metrics
json 'len(d["metrics"]) == 2'

# ---- a dead one leaves a socket
stop_pid "$right_pid"
expect 0 status
assert_eq "$(wc -l <<<"$out")" 3
expect 0 --json gateway list
json '{g["name"]: g["state"] for g in d["gateways"]} == {"left": "running", "right": "dead"}'
expect 1 --gateway=right status
complains "gateway \"right\" does not run: nobody serves $WEIR_RUN/ctl/right.sock"
expect 0 --json policy show plain
json 'd["gateway"] == "left"'

# ---- one that hangs is told, the others are shown, and the exit code says so
fake hung --silent
expect 5 --timeout=5 status # time for the others, also on a busy machine
says only-left
complains 'gateway "hung" did not answer in time'
expect 5 --timeout=5 --json status
json '{g["name"]: g["answers"] for g in d["gateways"]} == {"hung": False, "left": True, "right": False}'
expect 5 --timeout=0.3 --gateway=hung export list
expect 5 --timeout=0.3 --json --gateway=hung export show vm1
json 'd["error"]["errno"] == "ETIMEDOUT"'
stop_pid "$pid"

# ---- one that hangs up, one that talks nonsense
fake rude --hang-up
expect 1 --gateway=rude export show vm1
complains 'gateway "rude" went away before it answered'
fake mad --garbage
expect 1 --gateway=mad export show vm1
complains 'cannot talk to gateway "mad"'
fake bare --no-uri --exports=vm1
expect 1 --gateway=bare export uri vm1
complains 'does not know on which socket'
fake torn --bad-reload
expect 4 --gateway=torn reload
complains "weirctl: /etc/weir/weir.conf:7:12: sizes are quoted"
