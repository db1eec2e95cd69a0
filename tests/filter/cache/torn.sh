#!/bin/bash
# torn.sh - pages of the pool, of each zone, are not what was written: is a wrong byte ever read?
# SPDX-License-Identifier: BSD-3-Clause
#
# torn.sh [SEED]
. "$WEIR_SOURCE/tests/filter/cache/pools.sh" || exit
seed=${1:-$RANDOM}
echo "seed $seed"
# tear PART ZONE: random bytes over PART (of 1) of a zone's pages that are not zero
tear() {
    seed=$((seed + 1))
    python3 - "$pool" "$1" "$2" $seed <<'END2'
import random, struct, sys
path, part, zone, seed = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
r = random.Random(seed)
with open(path, "r+b") as f:
    page = f.read(4096)
    assert page[:8] == b"weirSUPR"
    disks, log_pages, slots = struct.unpack_from("<III", page, 40)
    catalog, table, log, slot = struct.unpack_from("<QQQQ", page, 64)
    zones = {"super": (0, 4096), "supers": (0, 128 << 10), "catalog": (catalog, table), "table": (table, log),
             "log": (log, log + log_pages * 4096), "slots": (slot, slot + slots * 4096)}
    n = 0
    begin, end = zones[zone]
    for at in range(begin, end, 4096):
        f.seek(at)
        if any(f.read(4096)) and r.random() < part:
            f.seek(at)
            f.write(r.randbytes(4096))
            n += 1
    assert n, f"nothing of {zone} was torn"
END2
}

# what nothing depends on: the disk is whole
for zone in table slots; do
    for what in clean dirty; do
        begin $what
        tear 1 $zone
        serve_again
        right
    done
done
begin dirty
tear 1 super # one of two
serve_again
right

# both super blocks, or the catalog: no pool of that disk
for zone in supers catalog; do
    begin clean
    tear 1 $zone
    serve_again
    [ $zone = supers ] && without "no pool"
    [ $zone = supers ] || right
    [ $zone = catalog ] || stop_gateway
    begin dirty
    tear 1 $zone
    serve_again
    assert_locked "holds blocks"
    [ $zone = supers ] && rm "$pool" # it is to be made anew
    given_up
done

# dirty blocks in the log: what is there is right, what is not is not served silently
for i in 1 2 3; do
    begin dirty
    tear 0.$((i * 3)) log
    serve_again
    if [ "$(state)" = locked ]; then
        assert_locked "is damaged"
        refused accept 'say "accept yes"'
        verb cache "accept yes" >/dev/null
        assert_eq "$(state)" active "accepted"
        refused "accept yes" "nothing is to be accepted"
        nbd 'for i in range(64):
    try:
        got = h.pread(4096, i << 12)
        assert got in (b"a" * 4096, b"b" * 4096) if i < 32 else got == b"a" * 4096, (i, got[:8])
    except nbd.Error: pass'
    else
        nbd 'lost = 0
for i in range(64):
    try:
        expect(h.pread(4096, i << 12), (b"b" if i < 32 else b"a") * 4096)
    except nbd.Error:
        assert i < 32, i
        lost += 1
print(lost, "blocks are lost, and say so")'
    fi
    # written again, all is well
    write a
    write b 0 32
    right
    serve_again
    reads b 0 32
    stop_gateway
done
