#!/bin/bash
# shares.sh - does `echo high >` change what two clients get of a device, at once?
# SPDX-License-Identifier: BSD-3-Clause
#
# Requests are counted, not times: on an emulated device that answers 500 in a second
# however many wait, what one disk gets more the other gets less.
. "$WEIR_SOURCE/tests/system/mount/mount.sh" || exit
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
mkdir "$work/policies.d"
echo 'name = "p"; filters = ( { filter = "control"; shares = "low"; } );' >"$work/policies.d/p.conf"
cat >"$work/weir.conf" <<END
datastores = ( { name = "slow"; type = "memory"; latency_threshold = "10ms";
                 emulate = { servers = 2; service_time = "4ms"; }; } );
exports = ( { name = "a"; datastore = "slow"; size = "16M"; policy = "p"; },
            { name = "b"; datastore = "slow"; size = "16M"; policy = "p"; } );
include_policies = "policies.d";
END
start_gateway "$work/weir.conf"
start_weirfs
shares() { echo "$2" >"$(echo "$mnt/exports/$1/filters"/*-control)/options/shares"; }

# ratio LEAST MOST: of what b was answered to what a was, both with 32 reads under way
ratio() {
    /usr/bin/python3 - "$sock" "$@" <<'END'
import sys
import nbd

socket, least, most = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
done, handles = {}, {}
for export in "a", "b":
    handles[export] = h = nbd.NBD()
    h.connect_uri(f"nbd+unix:///{export}?socket={socket}")
    done[export] = 0


def ask(export):
    def answered(error):
        assert error.value == 0
        done[export] += 1
        return 1
    handles[export].aio_pread(nbd.Buffer(4096), 0, answered)


def serve(until):
    while sum(done.values()) < until:
        for export, h in handles.items():
            while h.aio_in_flight() < 32:
                ask(export)
            h.poll(1)


serve(500)  # the window comes to what the device can do
done.update(a=0, b=0)
serve(800)
b, a = done["b"], done["a"]
while any(h.aio_in_flight() for h in handles.values()):
    for h in handles.values():
        h.poll(1)
print(f"b to a: {b}:{a}")
assert least <= b / a <= most, f"{b}:{a}"
END
}
ratio 0.7 1.4
shares b high
ratio 2.5 6
shares b low
shares a high
ratio 0.17 0.4
