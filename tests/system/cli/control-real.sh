#!/usr/bin/env bash
# control-real.sh - does weirctl show and change what I/O control does to disks of a slow datastore?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires nbdkit nbdinfo
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
[ -f "$plugin" ] || skip "the plugin was not built"

cp -r "$WEIR_SOURCE/conf/policies.d" "$work/policies.d"
cat >"$work/weir.conf" <<'EOF'
datastores = ( { name = "slow"; type = "memory"; latency_threshold = "5ms";
                 emulate = { servers = 4; service_time = "4ms"; }; },
               { name = "fast"; type = "memory"; } );
exports = ( { name = "db"; datastore = "slow"; size = "8M"; policy = "gold"; },
            { name = "web"; datastore = "slow"; size = "8M"; policy = "silver"; },
            { name = "free"; datastore = "fast"; size = "8M"; policy = "plain"; } );
pools = ( { name = "ssd"; path = "pool"; size = "64M"; } ); # for cached.conf, which no disk has
include_policies = "policies.d";
EOF
expect 0 check "$work/weir.conf"
start_gateway "$work/weir.conf" name=one
spawn load /usr/bin/python3 "$WEIR_SOURCE/tests/system/cli/control-real.py" "$sock" db web
load_pid=$pid

# ---- everything that the filter declares is found under its name
expect 0 --json control show
json '[(e["export"], e["datastore"], e["shares"], e["mode"]) for e in d["control"]] == [
      ("db", "slow", "high", "control"), ("web", "slow", "normal", "control")]'
json 'all(n in e for e in d["control"] for n in ("share_percent", "reservation", "iops", "bytes_per_sec",
      "entitled_iops", "granted_iops", "queued", "delayed_requests", "limit_hits", "delay_p50_us", "delay_p99_us"))'
expect 0 --json status
json '[(e["name"], e["exports"]) for e in d["datastores"]] == [("slow", ["db", "web"])]'
json 'all(n in d["datastores"][0] for n in ("normalized_latency_us", "threshold_us", "window", "in_flight", "queued",
      "entitled_iops", "granted_iops", "delay_p50_us", "delay_p99_us", "learnt_peak_iops", "external_load", "gateways"))'
expect 3 control show free

# ---- a busy datastore, with a queue of what it does not take at once.  In a shell of its
# own, which a reading that is not yet so ends.
busy() (
    expect 0 --json status
    json 'd["datastores"][0]["threshold_us"] == 5000 and d["datastores"][0]["normalized_latency_us"] > 0'
    json 'd["datastores"][0]["window"] >= 4 and d["datastores"][0]["in_flight"] > 0'
    json 'all(e["control"]["granted_iops"] > 0 for e in d["exports"] if e["datastore"] == "slow")'
    json 'd["datastores"][0]["queued"] > 0'
    json 'd["datastores"][0]["delay_p99_us"] >= d["datastores"][0]["delay_p50_us"] > 0'
)
wait_until 60 busy
seen_by_top() (
    expect 0 --json top --batch=1 --interval=0.2
    json 'd["datastores"][0]["name"] == "slow" and d["datastores"][0]["delay_p50_us"] > 0'
    json '[e["name"] for e in d["exports"] if "control" in e] == ["db", "web"]'
)
wait_until 60 seen_by_top
expect 0 status
says THRESHOLD

# ---- shares and limits change at once, by the option and by the policy
expect 0 control set web shares 4000
expect 0 --json control show web
json 'd["control"][0]["shares"] == "4000"'
expect 0 control set db reservation none
# more than half of what is entitled, and granted, goes to the one with two thirds of the shares
obeyed() (
    expect 0 --json control show
    json '[e["share_percent"] for e in d["control"]] == [33, 66]'
    json 'd["control"][0]["entitled_iops"] < d["control"][1]["entitled_iops"]'
    json 'd["control"][0]["granted_iops"] < d["control"][1]["granted_iops"]'
)
wait_until 60 obeyed
expect 0 control set web iops 100
limited() (
    expect 0 --json control show web
    json 'd["control"][0]["limit_hits"] > 0 and d["control"][0]["iops"] == "100"'
)
wait_until 60 limited
expect 4 control set web reservation 200
complains 'is above iops'
expect 4 control set web shares many
complains '"many"'
EDITOR='sed -i s/high/normal/' expect 0 policy edit gold
expect 0 --json control show db
json 'd["control"][0]["shares"] == "normal"'

# ---- figures of the last second are not those of a second long ago
stop_pid "$load_pid"
idle() (
    expect 0 --json control show
    json 'all(e["granted_iops"] == 0 == e["queued"] for e in d["control"])'
)
wait_until 60 idle
