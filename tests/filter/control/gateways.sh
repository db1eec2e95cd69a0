#!/bin/bash
# gateways.sh - do two gateways that know each other by a file divide a device as their disks' shares say?
# SPDX-License-Identifier: BSD-3-Clause
#
# Their windows are wide open when load comes, because until then nobody waited.  Answers are
# counted in blocks of 500, which is about what the device gives in a second, until a block is
# divided as it should be.
. "$WEIR_SOURCE/tests/lib.sh" || exit
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
mkdir "$work/policies.d"
echo 'name = "p"; filters = ( { filter = "control"; } );' >"$work/policies.d/p.conf"

# serve NAME DATASTORE EXPORTS: a gateway of its own, at $work/NAME.sock
serve() {
    mkdir "$work/$1.state"
    printf 'datastores = ( { name = "d"; %s } );\nexports = ( %s );\ninclude_policies = "policies.d";\n' \
        "$2" "$3" >"$work/$1.conf"
    sock=$work/$1.sock
    start_gateway "$work/$1.conf" name="$1" state="$work/$1.state"
}
serve device 'type = "memory"; emulate = { servers = 2; service_time = "4ms"; };' \
    '{ name = "a"; datastore = "d"; size = "16M"; }, { name = "b"; datastore = "d"; size = "16M"; }'
shared="type = \"nbd\"; uri = \"nbd+unix:///{image}?socket=$work/device.sock\"; connections = 1;
        latency_threshold = \"20ms\"; exchange = \"$work/exchange\";"
for disk in a b; do
    serve "host-$disk" "$shared" "{ name = \"$disk\"; datastore = \"d\"; size = \"16M\"; image = \"$disk\";
        policy = \"p\"; options = ( { filter = \"control\"; shares = $([ $disk = a ] && echo 1000 || echo 3000); } ); }"
done
timeout 100 /usr/bin/python3 - "$work" <<'END'
import sys
import nbd

hosts, done = {}, {}
for disk in "a", "b":
    hosts[disk] = h = nbd.NBD()
    h.connect_uri(f"nbd+unix:///{disk}?socket={sys.argv[1]}/host-{disk}.sock")


def ask(disk):
    def answered(error):
        assert error.value == 0
        done[disk] += 1
        return 1
    hosts[disk].aio_pread(nbd.Buffer(4096), 0, answered)


def block():
    done.update(a=0, b=0)
    while sum(done.values()) < 500:
        for disk, h in hosts.items():
            while h.aio_in_flight() < 32:
                ask(disk)
            h.poll(1)
    return done["b"] / max(1, done["a"])


first = block()
while not 2.5 <= (ratio := block()) <= 3.5:  # 1 if neither waits; timeout(1) ends it
    pass
print(f"b to a: {first:.2f} at first, {ratio:.2f} later")
while any(h.aio_in_flight() for h in hosts.values()):
    for h in hosts.values():
        h.poll(1)
END
