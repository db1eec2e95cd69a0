#!/usr/bin/env bash
# commands.sh - does each command say what the gateway says, as text and as JSON?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main

# ---- status and lists
expect 0 status
says "EXPORT"
says "fault, pass"
assert_eq "$(grep -c active <<<"$out")" 3
expect 0 status vm2
assert_eq "$(wc -l <<<"$out")" 2
expect 0 --json status
json 'd["gateways"][0]["name"] == "main" and d["gateways"][0]["answers"]'
json '[e["name"] for e in d["exports"]] == ["vm1", "vm2", "vm3"]'
json 'd["exports"][2]["chain"] == ["fault", "pass"] and d["exports"][2]["size_bytes"] == 3 << 30'
expect 0 status vm1 --json --interval=0.2
json '0.2 <= d["exports"][0]["measured_s"] < 60'
expect 0 export list
says "disk number 2"
expect 0 --json export list
json 'd["exports"][0]["uri"].startswith("nbd+unix")'

# ---- one export
expect 0 export show vm1
says "delay = 0s"
says "1 GiB (1073741824 bytes)"
expect 0 --json export show vm1
json 'd["filters"][0]["options"] == {"delay": "0s", "mode": "async"} and d["generation"] == 1'
expect 0 export uri vm1
assert_eq "$out" "nbd+unix:///vm1?socket=/tmp/nbd.sock"
expect 0 export uri vm1 --json
json 'd == {"uri": "nbd+unix:///vm1?socket=/tmp/nbd.sock"}'
expect 0 export stats vm1
says "10-fault"
expect 0 --json export stats vm1
json '[p["place"] for p in d["places"]] == ["export", "10-fault", "20-pass", "store"]'
json 'd["places"][0]["ops"]["read"]["requests"] > 0'
json '0 < d["places"][0]["ops"]["read"]["p50_ns"] <= d["places"][0]["ops"]["read"]["p99_ns"]'
json 'd["places"][0]["ops"]["write"]["bytes"] == 16384 * d["places"][0]["ops"]["write"]["requests"]'

# ---- options
expect 0 export option vm1 fault delay
assert_eq "$out" 0s
expect 0 export option vm1 fault delay 5ms
assert_eq "$out" ""
expect 0 --json export option vm1 10-fault delay
json 'd == {"export": "vm1", "filter": "10-fault", "option": "delay", "value": "5ms"}'

# ---- datastores
expect 0 datastore list
says "DATASTORE"
says "4 servers, 4ms each, fixed"
says "vm1, vm2, vm3"
expect 0 --json datastore list
json '[(e["gateway"], e["name"], e["latency_ns"]) for e in d["datastores"]] == [("main", "local", 4200000)]'
expect 0 datastore show local
says "latency_threshold  auto"
says "emulate            4 servers, 4ms each, fixed"
says "free               1 TiB"
expect 0 datastore set local latency_threshold 5ms
assert_eq "$out" ""
expect 0 --json datastore show local
json 'd["latency_threshold"] == "5ms" and d["exports"] == ["vm1", "vm2", "vm3"]'
expect 0 --json datastore set local latency_threshold auto
json 'd == {"gateway": "main", "datastore": "local", "key": "latency_threshold", "value": "auto"}'

# ---- what is done to an export
expect 0 export lock vm2 "the key is missing"
says "vm2: lock done"
expect 0 status
says "vm2 is locked: the key is missing"
says "vm2 is non-compliant: filter fault is not attached"
expect 0 --json export unlock vm2
json 'd["done"] == "unlock" and d["export"] == "vm2" and d["gateway"] == "main"'
expect 0 --json status vm2
json 'd["exports"][0]["state"] == "active"'
expect 0 export grow vm1 +1G
expect 0 --json export show vm1
json 'd["size_bytes"] == 2 << 30'
expect 0 export grow vm1 5G
expect 0 --json export show vm1
json 'd["size_bytes"] == 5 << 30'
for verb in close open stun unstun; do expect 0 export $verb vm3; says "vm3: $verb done"; done
expect 0 export assign vm3 plain
expect 0 --json export show vm3
json 'd["policy"] == "plain"'

# ---- policies
expect 0 policy list
says plain
expect 0 --json policy list
json '{p["name"]: p["exports"] for p in d["policies"]} == {"gold": ["vm1", "vm2"], "plain": ["vm3"]}'
expect 0 policy show gold
says 'description = "production databases";'
expect 0 --json policy show plain
json 'd["text"].startswith("name = \"plain\"") and d["gateway"] == "main"'
printf 'name = "new";\nfilters = ();\n' >"$work/new.conf"
expect 0 --json policy check new "$work/new.conf"
json 'd == {"gateway": "main", "policy": "new", "valid": True}'
expect 3 policy show new
expect 0 policy set new "$work/new.conf"
expect 0 policy show new
assert_eq "$out" "$(cat "$work/new.conf")"
printf 'name = "new";\n' | "$weirctl" policy set new -
expect 0 policy show new
assert_eq "$out" 'name = "new";'
expect 0 --json policy assign new vm1 vm2
json 'd == {"policy": "new", "assigned": ["vm1", "vm2"]}'
expect 0 policy assign gold vm1 vm2
expect 0 policy remove new
expect 3 policy show new

# ---- filters: from the shared objects and from the gateway
expect 0 filter list
says "Lets every request through."
expect 0 --json filter list
json '{f["name"]: f["exports"] for f in d["filters"]}["fault"] == 3'
expect 0 --json filter info pass
json 'd["class"] == "none" and d["path"].endswith("/weir-filter-pass.so") and len(d["exports"]) == 3'
expect 0 filter info pass
says "main/vm1, main/vm2"
expect 0 filter exports fault
says 10-fault
expect 0 --json filter exports fault
json '[e["export"] for e in d["exports"]] == ["vm1", "vm2", "vm3"]'
expect 0 --json filter exports inspection
json 'd["exports"] == []'

# ---- the rest
expect 0 events
assert_eq "$(wc -l <<<"$out")" 3
expect 0 events --since=2
assert_eq "$out" 'time=2026-01-01T00:00:03Z severity=info text="event 3"'
expect 0 --json events --since=2
json 'd["number"] == 3 and d["gateway"] == "main" and "event 3" in d["line"]'
expect 0 metrics
says "weir_up 1"
expect 0 --json metrics
json 'd["metrics"][0]["text"].startswith("# TYPE")'
expect 0 --json reload
json 'd == {"reloaded": ["main"]}'
expect 0 gateway list
says running
expect 0 --json gateway list
json 'd["gateways"][0]["state"] == "running" and d["gateways"][0]["exports"] == 3'
expect 0 version
version=$out
expect 0 --version
assert_eq "$out" "$version" "--version and version differ"
says "gateway main 0.1.0"
expect 0 --json version
json 'd["gateways"][0]["version"] == "0.1.0" and d["weirctl"]'
expect 0 --json help
json 'any(c["noun"] == "policy" and c["verb"] == "edit" for c in d["commands"])'

# ---- a follower sees what comes: here all three, before it is stopped
spawn follow "$weirctl" events --follow
wait_until 60 grep -q 'event 3' "$work/follow.log"
