#!/bin/bash
# emulate.sh - is a real gateway's datastore as slow as the device that it emulates?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
cat >"$work/weir.conf" <<END
datastores = (
    { name = "slow"; type = "memory"; emulate = { servers = 4; service_time = "4ms"; }; },
    { name = "fast"; type = "memory"; }
);
exports = (
    { name = "a"; datastore = "slow"; size = "16M"; },
    { name = "b"; datastore = "slow"; size = "16M"; },
    { name = "f"; datastore = "fast"; size = "16M"; }
);
END
start_gateway "$work/weir.conf"
/usr/bin/python3 "$WEIR_SOURCE/tests/system/emulate.py" "$sock"
