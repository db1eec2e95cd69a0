#!/bin/bash
# dashboards.sh - does every dashboard ask only for what a gateway tells, and get an answer?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires promtool python3 nbdcopy nbdinfo
[ -f "$plugin" ] || skip "needs the plugin"

mkdir "$work/policies.d"
cat >"$work/weir.conf" <<'EOF'
datastores = ( { name = "m"; type = "memory"; } );
pools = ( { name = "ssd"; path = "pool"; size = "64M"; } );
exports = ( { name = "disk"; datastore = "m"; size = "16M"; policy = "all"; } );
include_policies = "policies.d";
EOF
cat >"$work/policies.d/all.conf" <<'EOF'
name = "all";
filters = ( { filter = "inspection"; }, { filter = "replication"; target = "nbd+unix:///?socket=nobody"; },
            { filter = "fault"; }, { filter = "cache"; pool = "ssd"; mode = "write-back"; }, { filter = "control"; } );
EOF
start_gateway "$work/weir.conf"
head -c 4M /dev/urandom >"$work/data"
nbdcopy "$work/data" "$(uri disk)"
nbdcopy "$(uri disk)" - >/dev/null
"$weirctl" metrics >"$work/metrics"

check() { # FOLDER DASHBOARD…
    mkdir -p "$1"
    python3 "$WEIR_SOURCE/tests/docs/dashboards.py" "$work/metrics" "$@"
}
check "$work/good" "$WEIR_SOURCE"/conf/dashboards/*.json || fail "a dashboard is wrong"
promtool check rules "$work/good/rules.yml" || fail "a query is no PromQL"
promtool test rules "$work/good/tests.yml" || fail "a query has no answer"

# ---- the checks can fail: by a name, a join that joins nothing, a panel on another
wrong() { # SED DASHBOARD
    sed "$1" "$WEIR_SOURCE/conf/dashboards/$2.json" >"$work/wrong.json"
    ! cmp -s "$work/wrong.json" "$WEIR_SOURCE/conf/dashboards/$2.json" || fail "$1 changes nothing"
    check "$work/wrong" "$work/wrong.json" >"$work/said" 2>&1 &&
        promtool test rules "$work/wrong/tests.yml" >"$work/said" 2>&1 && fail "not seen: $1"
    return 0
}
wrong s/weir_export_requests_total/weir_export_request_total/ gateway
grep -q '"weir_export_request_total"' "$work/said" || fail "$(cat "$work/said")"
wrong s/weir_cache_lost_blocks/weir_cache_lost_bytes/ cache
wrong s/weir_replication_rpo_seconds/weir_replication_rpo_ms/ replication
wrong 's/on (gateway, export)/on (gateway, exports, datastore)/' control
wrong 's/"y": [0-9]*/"y": 0/' gateway
wrong 's/active\\"/activ\\"/' gateway
