#!/usr/bin/env bash
# real.sh - do weirctl and a gateway that serves clients understand each other?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires nbdkit nbdinfo
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
nbd() { /usr/bin/python3 -m nbd "$@"; } # nbdsh, by the python that has libnbd
[ -f "$plugin" ] || skip "the plugin was not built"

mkdir "$work/policies.d"
cat >"$work/weir.conf" <<'EOF'
datastores = ( { name = "ram"; type = "memory"; } );
exports = ( { name = "vm1"; datastore = "ram"; size = "8M"; policy = "gold"; },
            { name = "vm2"; datastore = "ram"; size = "8M"; policy = "plain"; } );
include_policies = "policies.d";
EOF
echo 'name = "gold"; filters = ( { filter = "inspection"; }, { filter = "fault"; } );' \
    >"$work/policies.d/gold.conf"
echo 'name = "plain"; filters = ( { filter = "pass"; } );' >"$work/policies.d/plain.conf"
expect 0 check "$work/weir.conf"
start_gateway "$work/weir.conf" name=one

# ---- what clients do is counted, exactly
expect 0 export uri vm1
nbd -u "$out" -c 'for i in range(100): h.pwrite(bytes(4096), 4096 * i)' \
    -c 'for i in range(50): h.pread(8192, 8192 * i)' -c 'h.flush()'
expect 0 --json export stats vm1
json '{p["place"] for p in d["places"]} == {"export", "10-inspection", "20-fault", "store"}'
json 'all(p["ops"]["write"]["requests"] == 100 and p["ops"]["write"]["bytes"] == 409600
          and p["ops"]["read"]["requests"] == 50 and p["ops"]["read"]["bytes"] == 409600
          for p in d["places"])'
json 'all(0 < o["p50_ns"] <= o["p99_ns"] <= o["max_ns"] for o in d["places"][0]["ops"].values())'
expect 0 --json status
json 'd["exports"][0]["compliance"] == "compliant" and d["exports"][0]["chain"] == ["inspection", "fault"]'
expect 0 --json export show vm1
json 'd["filters"][0]["stats"]["writes"] == "100" and "trace" not in d["filters"][0]["stats"]'

# ---- options: live at once, and kept; what is wrong is refused with the gateway's words
expect 0 export option vm1 fault delay 2ms
expect 0 export option vm1 fault delay
assert_eq "$out" 2ms
expect 4 export option vm1 fault delay soon
complains '"soon" is not a time'
assert_eq "$("$weirctl" export option vm1 fault delay)" 2ms

# ---- policies: mistakes by the user's file, all of them; an edit; in use; another one
printf 'name = "gold";\nfilters = ( { filter = "falt"; },\n  { filter = "inspection"; rnig = 5; } );\n' >"$work/new.conf"
expect 4 policy set gold "$work/new.conf"
complains "$work/new.conf:2:"
complains '"fault"'
complains "$work/new.conf:3:"
complains '"ring"'
EDITOR='sed -i s/inspection/pass/' expect 0 policy edit gold
expect 0 --json status vm1
json 'sorted(d["exports"][0]["chain"]) == ["fault", "pass"]'
grep -q pass "$work/policies.d/gold.conf" || fail "the edit did not reach the file"
expect 4 policy remove plain
expect 0 export assign vm2 gold
expect 3 export assign vm2 silver
expect 0 policy remove plain

# ---- verbs
expect 0 export grow vm1 +8M
expect 0 --json export show vm1
json 'd["size_bytes"] == 16 << 20'
expect 0 export lock vm2 "in the test"
expect 0 status
says "vm2 is locked: in the test"
expect 0 export unlock vm2
expect 0 export stun vm2
expect 0 export unstun vm2
expect 0 export close vm2
expect 0 export open vm2
expect 0 export option vm2 fault ops flush
expect 0 export option vm2 fault error EIO
expect 1 export close vm2
complains 'export vm2 was closed, but its last flush failed: Input/output error'
expect 0 export open vm2
expect 0 export option vm2 fault error none
expect 0 reload
expect 0 --json events
grep -q 'grown to 16M' <<<"$out" || fail "growing is no event: $out"
expect 0 metrics
says "# TYPE"
expect 0 --json gateway list
json 'd["gateways"][0]["name"] == "one" and d["gateways"][0]["exports"] == 2'

# ---- rates of top are those of the client: as many as it says it did, and no more
expect 0 export uri vm1
spawn load /usr/bin/python3 -m nbd -u "$out" -c 'while True: h.pread(4096, 0)'
# in a shell of its own, which a reading without the client ends, or one with so few
# requests that the one or two by which its counts may be apart matter
agrees() (
    expect 0 --json top vm1 --batch=2 --interval=0.5
    out=$(tail -1 <<<"$out")
    json 'd["exports"][0]["iops"] > 0 and d["exports"][0]["p50_ns"] > 0 and d["exports"][0]["connections"] == 1'
    json 'abs(d["exports"][0]["read_bytes_per_s"] / 4096 / d["exports"][0]["iops"] - 1) < 0.1'
)
wait_until 60 agrees
