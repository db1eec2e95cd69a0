#!/bin/bash
# control.sh - does the control socket of a whole gateway keep what its unit tests promise?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
needs_weir
requires python3 promtool nbdcopy socat

policy gold '{ filter = "inspection"; }, { filter = "fault"; rate = 0.0; }, { filter = "pass"; }'
disk vm1 16M gold
policy shared '{ filter = "control"; }'
disk plain 1M shared
serve
socket=$WEIR_RUN/ctl/main.sock

dd if=/dev/urandom of="$work/data" bs=1M count=16 status=none
nbdcopy "$work/data" "$(uri vm1)"
nbdcopy "$(uri vm1)" "$work/back"
cmp "$work/data" "$work/back"

# every node is there and can be read; every live option takes back what it shows
python3 - "$socket" "$work/metrics" <<'EOP'
import json, socket, sys

gateway = socket.socket(socket.AF_UNIX)
gateway.connect(sys.argv[1])
lines = gateway.makefile("rw", encoding="utf-8", newline="\n")

def ask(**request):
    lines.write(json.dumps(request) + "\n")
    lines.flush()
    return json.loads(lines.readline())

def must(**request):
    answer = ask(**request)
    if not answer["ok"]:
        sys.exit(f"{request}: {answer['message']}")
    return answer

files, options = 0, 0
def walk(path):
    global files, options
    for entry in must(op="list", path=path)["names"]:
        below = (path + "/" if path else "") + entry["name"]
        if entry["kind"] == "folder":
            walk(below)
            continue
        text = must(op="get", path=below)["text"]
        files += 1
        assert not text or text.endswith("\n"), below
        if "/options/" in below and entry["writable"]:
            must(op="check", path=below, text=text)
            must(op="set", path=below, text=text)
            again = must(op="get", path=below)["text"]
            assert again == text, f"{below}: {text!r} became {again!r}"
            options += 1
walk("")
print(f"{files} files read, {options} options written")
assert files > 300 and options > 10

def value(path):
    return must(op="get", path=path)["text"].rstrip("\n")
assert int(value("exports/vm1/stats/write/bytes")) == 16 << 20
assert int(value("exports/vm1/filters/10-inspection/stats/writes")) == \
       int(value("exports/vm1/stats/write/requests"))
assert value("exports/vm1/state") == "active"

# what is refused changes nothing, and says where
bad = ask(op="set", path="policies/gold", text='name = "gold";\nfilters = ( { filter = "pas"; } );\n')
assert not bad["ok"] and bad["errno"] == "EINVAL" and bad["line"] == 2, bad
assert '"pass"' in bad["message"], bad
assert value("exports/vm1/last_error") == bad["message"]
assert value("exports/vm1/chain") == "inspection fault pass"

show = must(op="show")
vm1 = [e for e in show["exports"] if e["name"] == "vm1"][0]
assert vm1["ops"]["write"]["bytes"] == 16 << 20
assert sum(n for _, n in vm1["ops"]["write"]["here"]["buckets"]) == vm1["ops"]["write"]["requests"]
must(op="set", path="exports/vm1/filters/20-fault/options/count", text="7")
open(sys.argv[2], "w").write(must(op="get", path="metrics")["text"])
EOP
promtool check metrics <"$work/metrics" >"$work/said" 2>&1 || fail "$(cat "$work/said")"
assert_eq "$(cat "$work/said")" "" "promtool has something to say"

# what I/O control tells of a disk and of its datastore, in base units
while read -r type metric; do
    grep -qx "# TYPE weir_control_$metric $type" "$work/metrics" || fail "no $type weir_control_$metric"
    grep -q "^# HELP weir_control_$metric ." "$work/metrics" || fail "weir_control_$metric has no help"
    grep -q "^weir_control_$metric\(_count\)\?{.*export=\"plain\".*} [0-9]" "$work/metrics" ||
        fail "weir_control_$metric has no sample"
done <<END
gauge normalized_latency_seconds
gauge threshold_seconds
gauge window
gauge in_flight
gauge learnt_peak_iops
gauge external_load_ratio
gauge gateways
gauge queued
gauge share_ratio
gauge entitled_iops
gauge granted_iops
counter delayed_requests_total
counter limit_hits_total
counter impatient_requests_total
gauge reservation_misses_seconds
histogram delay_seconds
END

# a second gateway of the same name is told so; the first goes on
spawn second gateway_process -U "$work/second.sock" "$plugin" conf="$work/weir.conf"
if wait "$pid"; then fail "two gateways have one name"; fi
grep -q 'another gateway named' "$work/second.log" || fail "$(cat "$work/second.log")"
ask() { printf '%s\n' "$1" | socat -t60 - "UNIX-CONNECT:$socket"; }
ask '{"op":"get","path":"exports/vm1/state"}' | grep -q active || fail "the first gateway is gone"

# killed, its socket is nobody's: the next gateway takes it, and knows what was set live
kill_server
[ -S "$socket" ] || fail "a killed gateway removed its socket"
ask '{}' 2>/dev/null && fail "somebody answers for a dead gateway"
serve
ask '{"op":"get","path":"exports/vm1/filters/20-fault/options/count"}' | grep -q '"7\\n"' ||
    fail "an option that was set did not survive"

stop_gateway
[ ! -e "$socket" ] || fail "a gateway that ended left its socket behind"
