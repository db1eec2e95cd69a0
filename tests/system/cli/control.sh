#!/usr/bin/env bash
# control.sh - is what I/O control says shown word for word, in tables, documents and on screens?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main --idle --exports=vm1,vm2,vm3 --control=vm1,vm2
pid_main=$pid

# ---- the table of disks, of all and of one
all="\
EXPORT  DATASTORE  MODE     SHARES  SHARE  RESERVED  IOPS  BYTES/s  ENTITLED  GRANTED  QUEUED  DELAYED  LIMITED  DELAY P50  DELAY P99
vm1     local      control    high    57%       500   max      max     1.14k    1.13k       7    40.0k        0    4.09 ms    16.0 ms
vm2     local      control  normal    28%      none  2000      50M       570      566       6    40.0k      300    4.09 ms    32.0 ms"
expect 0 control show
assert_eq "$out" "$all"
expect 0 control show vm2
assert_eq "$out" "$(sed 2d <<<"$all")"
expect 0 --json control show
json '[e["export"] for e in d["control"]] == ["vm1", "vm2"]'
json 'd["control"][1] == {"gateway": "main", "export": "vm2", "datastore": "local", "filter": "control",
    "mode": "control", "shares": "normal", "share_percent": 28, "reservation": "none", "iops": "2000",
    "bytes_per_sec": "50M", "entitled_iops": 570, "granted_iops": 566, "queued": 6,
    "delayed_requests": 40001, "limit_hits": 300, "delay_p50_us": 4095, "delay_p99_us": 32000,
    "options": {"mode": "control", "shares": "normal", "reservation": "none", "iops": "2000",
                "bytes_per_sec": "50M", "max_delay": "20s"}}'
expect 3 control show vm3
complains 'export "vm3" has no filter of class control'
complains '"gold"'
expect 3 control show vm4
complains 'no export "vm4"'

# ---- an option
expect 0 control set vm2 shares high
assert_eq "$out" ""
expect 0 --json control show vm2
json 'd["control"][0]["shares"] == "high"'
expect 0 --json control set vm2 shares normal
json 'd == {"export": "vm2", "filter": "control", "option": "shares", "value": "normal"}'
expect 4 control set vm2 max_delay bad
complains '"bad" is no time'
expect 3 control set vm2 sharse high
complains 'did you mean "shares"?'
expect 3 control set vm3 shares high
complains 'export "vm3" has no filter of class control'
expect 2 control set vm2 shares

# ---- status: columns of control before the chain, then the datastores
expect 0 status
assert_eq "$out" "\
EXPORT  STATE   COMPLIANCE  POLICY   SIZE  CONN  IOPS  READ  WRITE  ENTITLED  GRANTED  QUEUED  CHAIN
vm1     active  compliant   gold    1 GiB     1     0     0      0     1.14k    1.13k       7  fault, pass, control
vm2     active  compliant   gold    2 GiB     1     0     0      0       570      566       6  fault, pass, control
vm3     active  compliant   gold    3 GiB     1     0     0      0         -        -       -  fault, pass

DATASTORE  LATENCY  THRESHOLD  WINDOW  INFLIGHT  QUEUED  ENTITLED  GRANTED  DELAY P50  DELAY P99   PEAK  EXTERNAL  GATEWAYS
local      6.20 ms    5.00 ms      12        11      13     1.71k    1.70k    4.09 ms    32.0 ms  12.3k       25%         2"
expect 0 status vm2
assert_eq "$(tail -1 <<<"$out" | sed 's/  */ /g')" \
    "local 6.20 ms 5.00 ms 12 11 13 1.71k 1.70k 4.09 ms 32.0 ms 12.3k 25% 2" "the datastore is that of all its disks"
expect 0 --json status --interval=0.1
datastore='{"gateway": "main", "name": "local", "exports": ["vm1", "vm2"], "normalized_latency_us": 6200,
    "threshold_us": 5000, "window": 12, "in_flight": 11, "queued": 13, "entitled_iops": 1710,
    "granted_iops": 1698, "delay_p50_us": 4095, "delay_p99_us": 32000, "learnt_peak_iops": 12300,
    "external_load": 25, "gateways": 2}'
json "d['datastores'] == [$datastore]"
json '"control" not in d["exports"][2] and d["exports"][0]["control"]["granted_iops"] == 1132'
expect 0 --json top --batch=1 --interval=0.1
json "d['datastores'] == [$datastore] and d['exports'][1]['control']['queued'] == 6"

# ---- on a screen of 80 columns: above the exports, in their lines, on the page of one
requires tmux
tmux="tmux -u -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux new-session -d -x 80 -y 40 -s watch "env LC_ALL=C.UTF-8 $weirctl top --interval=0.2; cat"
screen() { $tmux capture-pane -p -t watch; }
keys() { $tmux send-keys -t watch "$@"; }
shows() { [[ "$(screen)" == *"$1"* ]]; }
hides() { ! shows "$1"; }
sees() { wait_until 60 shows "$1"; }
sees " DATASTORE     LATENCY THRESHOLD WINDOW INFLIGHT QUEUED  PEAK EXTERNAL GATEWAYS
 local         6.20 ms   5.00 ms     12       11     13 12.3k      25%        2
 EXPORT▼      STATE    IOPS SHARES PART ENTITLED GRANTED QUEUED DLY P50 DLY P99
 vm1          active      0   high  57%    1.14k   1.13k      7 4.09 ms 16.0 ms
 vm2          active      0 normal  28%      570     566      6 4.09 ms 32.0 ms
 vm3          active      0      -    -        -       -      -       -       -"
sees 'd datastores'
keys d
sees " EXPORT▼      STATE    IOPS   READ/s  WRITE/s     P50     P99  QUEUE IOPS PAST
 vm1          active      0"
wait_until 60 hides THRESHOLD
keys d
sees ' local         6.20 ms'
keys Enter
sees " I/O CONTROL  SHARES SHARE ENTITLED GRANTED QUEUED DELAYED DELAY P50 DELAY P99
 control        high   57%    1.14k   1.13k      7   40.0k   4.09 ms   16.0 ms

 DATASTORE     LATENCY THRESHOLD WINDOW INFLIGHT QUEUED  PEAK EXTERNAL GATEWAYS
 local         6.20 ms   5.00 ms     12       11     13 12.3k      25%        2"
keys n n
sees 'vm3 of gateway main'
wait_until 60 hides 'I/O CONTROL'
keys Escape
$tmux resize-window -t watch -x 160 -y 30
sees ' QUEUE SHARES PART ENTITLED'
sees ' QUEUED ENTITLED GRANTED DELAY P50'
for size in "40 10" "20 6" "3 2" "1 1" "80 24"; do
    # shellcheck disable=SC2086
    set -- $size
    $tmux resize-window -t watch -x "$1" -y "$2"
    keys Enter
    keys Escape
done
sees ' local         6.20 ms'

# ---- without I/O control nothing is said of it
stop_pid "$pid_main"
fake main --idle --exports=vm1
sees ' vm1          active'
wait_until 60 hides datastores
wait_until 60 hides ENTITLED
keys q
expect 0 status
grep -qE 'DATASTORE|ENTITLED' <<<"$out" && fail "$out"
expect 0 --json status
json 'd["datastores"] == [] and "control" not in d["exports"][0]'
expect 0 control show
assert_eq "$(wc -l <<<"$out")" 1
expect 0 --json control show
json 'd == {"control": []}'

# ---- a gateway that knows less says less; two gateways have a line each
fake other --idle --exports=vm9 --control=vm9 --control-lacks=window,entitled_iops,delay_us
expect 0 status
says "other    local      6.20 ms    5.00 ms       -        11       7         -    1.13k          -          -  12.3k       25%         2"
expect 0 --json control show
json '"entitled_iops" not in d["control"][0] and "delay_p99_us" not in d["control"][0]'
fake third --idle --exports=vm8 --control=vm8 --control-peak=0 --control-bypassed
expect 0 --json status
json '[(e["gateway"], e["exports"]) for e in d["datastores"]] == [("other", ["vm9"]), ("third", ["vm8"])]'
expect 0 status
says "third    local      6.20 ms    5.00 ms      12        11       7     1.14k    1.13k    4.09 ms    16.0 ms      -       25%         2"
expect 0 --json control show vm8
json 'd["control"][0]["mode"] == "bypassed" and d["control"][0]["options"]["mode"] == "control"'

# ---- on a low screen datastores leave the exports some lines
fake fourth --idle --exports=vm7 --control=vm7 --control-past
$tmux new-session -d -x 80 -y 12 -s low "env LC_ALL=C.UTF-8 $weirctl top --interval=0.2; cat"
low() { [[ "$($tmux capture-pane -p -t low)" == *" fourth/local "*" and 2 more
 EXPORT"* ]]; }
wait_until 60 low

# ---- delays are those since the filter was attached, and in top those of the last interval
expect 0 --json control show vm7
json 'd["control"][0]["delay_p50_us"] == d["control"][0]["delay_p99_us"] == 500000'
expect 0 --json --gateway=fourth top --batch=1 --interval=0.1
json 'd["exports"][0]["control"]["delay_p50_us"] == 4095 and d["exports"][0]["control"]["delay_p99_us"] == 16383'
json 'd["datastores"][0]["delay_p99_us"] == 16383'
expect 0 --json --gateway=fourth status --interval=0.1
json 'd["exports"][0]["control"]["delay_p99_us"] == d["datastores"][0]["delay_p99_us"] == 16383'
