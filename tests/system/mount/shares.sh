#!/bin/bash
# shares.sh - does one echo change who gets how much of a busy datastore?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
mkdir -p "$work/policies.d"
echo 'name = "shared"; filters = ( { filter = "control"; shares = 1000; } );' >"$work/policies.d/shared.conf"
cat >"$work/weir.conf" <<'EOF'
datastores = ( { name = "slow"; type = "memory"; latency_threshold = "5ms";
                 emulate = { servers = 4; service_time = "4ms"; }; } );
exports = ( { name = "one"; datastore = "slow"; size = "8M"; policy = "shared"; },
            { name = "other"; datastore = "slow"; size = "8M"; policy = "shared"; } );
include_policies = "policies.d";
EOF
start_gateway "$work/weir.conf"
start_weirfs
spawn load /usr/bin/python3 "$WEIR_SOURCE/tests/system/cli/control-real.py" "$sock" one other
value() { cat "$mnt/exports/$1/filters/10-control/stats/$2"; }
# gets EXPORT OTHER: it is granted more than one and a half times as much, which disks with
# equal shares are not
gets() { [ $((2 * $(value "$1" granted_iops))) -gt $((3 * $(value "$2" granted_iops))) ]; }
part_is() { [ "$(value "$1" share_percent)" = "$2" ]; }
wait_until 60 part_is one 50

echo 4000 >"$mnt/exports/one/filters/10-control/options/shares"
is "$mnt/exports/one/filters/10-control/options/shares" 4000
wait_until 60 part_is one 80
wait_until 60 gets one other

echo high >"$mnt/exports/other/filters/10-control/options/shares"
echo low >"$mnt/exports/one/filters/10-control/options/shares"
wait_until 60 part_is other 80
wait_until 60 gets other one

refused "Invalid argument" bash -c "echo most >$mnt/exports/one/filters/10-control/options/shares"
is "$mnt/exports/one/filters/10-control/options/shares" low
wait_until 60 part_is other 80
grep -q . "$mnt/exports/one/filters/10-control/stats/delay_us" || fail "no delays"
