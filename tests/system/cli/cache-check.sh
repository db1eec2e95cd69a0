#!/usr/bin/env bash
# cache-check.sh - does weirctl say what is in a pool, what is damaged, and which pools it cannot read?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdkit nbdsh
mkdir "$work/disks" "$work/policies.d"
cat >"$work/policies.d/fast.conf" <<EOF
name = "fast";
filters = ( { filter = "cache"; pool = "ssd"; mode = "write-back"; destage_delay = "1h"; grid = "512"; sequential = "none"; } );
EOF
configure() { # POOL SIZE
    cat >"$work/weir.conf" <<EOF
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
pools = ( { name = "ssd"; path = "$1"; size = "$2"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "fast"; } );
include_policies = "policies.d";
EOF
}
nbd() { nbdsh -u "$(uri vm1)" -c "$1"; }
figure() { # NAME: of the one cache
    expect 0 --json cache status
    python3 -c 'import json, sys; print(json.loads(sys.argv[1])["caches"][0][sys.argv[2]])' "$out" "$1"
}
head -c 32M /dev/zero | tr '\0' '\303' >"$work/disks/vm1"
configure "$work/pool" 96M

# ---- one that a gateway has open is refused
start_gateway "$work/weir.conf" name=one
nbd 'h.pwrite(b"\x5a" * 1048576, (8 << 20) + 512); h.flush()'
expect 4 cache check "$work/pool"
complains "a gateway has $work/pool open, and changes it"

# ---- after a crash
kill_server
expect 0 cache check "$work/pool"
says "super    2 of 2 whole"
says "vm1     32 MiB   512    0 B  1 MiB  no"
assert_eq "$(tail -1 <<<"$out")" sound "the verdict"
cp --sparse=always "$work/pool" "$work/crashed"

# ---- after an end in order: it has what the gateway said; written twice, destaged, more than the log takes
start_gateway "$work/weir.conf" name=one
nbd '
h.pwrite(b"\xa5" * 1048576, (8 << 20) + 512)
for i in range(40): h.pread(524288, i * 524288)'
expect 0 cache flush vm1
nbd 'h.pwrite(b"\x5a" * 524288, (24 << 20) + 512); h.pwrite(b"\x5a" * 1024, 512); h.flush()'
clean=$(figure clean_bytes) dirty=$(figure dirty_bytes)
stop_gateway
expect 0 --json cache check "$work/pool"
json "d['path'] == '$work/pool' and d['version'] == 1 and d['size_bytes'] == 96 << 20 and d['super_blocks'] == 2"
json 'd["sound"] and d["problems"] == []'
json 'd["log"]["size_bytes"] + d["slots"]["size_bytes"] + d["slots"]["table_bytes"] + d["catalog_bytes"] <= 96 << 20'
json 'd["log"]["begin"] < d["log"]["end"] and 0 < d["log"]["first_epoch"] <= d["log"]["last_epoch"]'
json '0 < d["log"]["records"] < d["log"]["entries"] and d["slots"]["blocks"] > 0'
json "d['disks'][0]['clean_bytes'] == $clean > 0"
json "d['disks'][0]['dirty_bytes'] == (512 << 10) + 1024 <= $dirty"
json 'd["disks"][0] | {"clean_bytes": 0, "dirty_bytes": 0} == {"export": "vm1", "number": 0, "size_bytes": 32 << 20,
    "grid_bytes": 512, "clean_bytes": 0, "dirty_bytes": 0, "left_open": False}'

# ---- pages of each zone are flipped
# damage FROM ZONE: in a copy of it, $work/bad
damage() {
    cp --sparse=always "$work/$1" "$work/bad"
    ctl --json cache check "$work/bad"
    python3 - "$work/bad" "$2" "$out" <<'EOF'
import json, mmap, struct, sys
file = open(sys.argv[1], "r+b")
m = mmap.mmap(file.fileno(), 0)
def number(page, at, size=8): return int.from_bytes(m[page + at:page + at + size], "little")
s = max((0, 65536), key=lambda page: number(page, 56))
log_pages, slots = number(s, 44, 4), number(s, 48, 4)
catalog, table, log, slot = (number(s, at) for at in (64, 72, 80, 88))
force = json.loads(sys.argv[3])["log"] # what is behind its end is of earlier
def flip(at): m[at] ^= 0xff
def pages(start, count, first=0): return [start + (first + i) % count * 4096 for i in range(count)]
def is_full_of(byte): return lambda at: m[at:at + 4096] == bytes([byte]) * 4096
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
in_log = pages(log, log_pages, force["begin"])[:force["end"] - force["begin"]]
dirty = list(filter(is_full_of(0x5a), in_log))[-1]
match sys.argv[2]:
    case "super": flip(s + 100)
    case "catalog": flip(catalog + 100), flip(catalog + 4096 + 100)
    case "catalog page": flip(catalog + 4096 + 100)
    case "table": flip(table + 100)
    case "head": flip([at for at in in_log if at < dirty and m[at:at + 8] == b"weirRECD"][-1] + 100)
    case "dirty": flip(dirty + 100)
    case "clean": flip(list(filter(is_full_of(0xc3), in_log))[-1] + 100)
    case "slots":
        for at in filter(is_full_of(0xc3), pages(slot, slots)): flip(at + 100)
    case "version":
        for page in 0, 65536:
            m[page + 32:page + 36] = struct.pack("<I", 7)
            m[page + 28:page + 32] = struct.pack("<I", crc32c(m[page:page + 28] + m[page + 32:page + 4096]))
EOF
}
harmless="sound: of what is bad, disks have all elsewhere"
lost="damaged: what guests have written may be lost"
while IFS='|' read -r from zone verdict_code sentence verdict; do
    damage "$from" "$zone"
    ctl cache check "$work/bad"
    [ "$code" = "$verdict_code" ] || fail "damage of $zone: ended with $code: $out$err"
    says "$sentence"
    assert_eq "$(tail -1 <<<"$out")" "$verdict" "the verdict on: $zone"
done <<END
pool|super|0|harmless: one of the two super blocks is bad|$harmless
pool|catalog|1|lost: both catalog pages of disk number 0 are bad|$lost
crashed|catalog page|1|blocks, 256 of them dirty, are of disks that the catalog does not have|$lost
pool|table|0|harmless: of the table, 1 of 85 pages are bad|$harmless
pool|head|1|lost: the log is damaged: |$lost
pool|dirty|1|which its store does not have, is bad at page |$lost
pool|clean|0|harmless: in the log, 1 block is bad: the disk's store has what belongs there|$harmless
pool|slots|0|harmless: in slots, 4|$harmless
END
damage pool dirty
expect 1 --json cache check "$work/bad"
json 'not d["sound"] and [p["lost"] for p in d["problems"]] == [True] and d["log"]["bad_blocks"] == 1'

# ---- another version, no pool, none at all, and what is no command
damage pool version
expect 4 cache check "$work/bad"
complains "$work/bad: the pool is of version 7, and this weir knows version 1"
expect 4 cache check "$work/disks/vm1"
complains "$work/disks/vm1: "
head -c 96M /dev/urandom >"$work/bad"
expect 4 cache check "$work/bad"
complains "there is something else than a pool"
truncate -s 0 "$work/bad"
truncate -s 96M "$work/bad"
expect 3 cache check "$work/bad"
complains "$work/bad: there is no pool"
expect 3 cache check "$work/nothing"
complains "$work/nothing cannot be opened: No such file or directory"
expect 4 cache check "$work"
complains "$work is neither a file nor a block device"
truncate -s 90M "$work/pool"
expect 4 --json cache check "$work/pool"
json 'd["error"]["errno"] == "EINVAL" and "the file has been cut" in d["error"]["message"]'
expect 2 cache check
expect 2 cache check one two

# ---- who waits sees how far it is; a gateway that comes meanwhile is not kept away, but noticed
truncate -s 1G "$work/large"
configure "$work/large" 1G
start_gateway "$work/weir.conf" name=one
stop_gateway
noticed() {
    spawn check "$weirctl" cache check "$work/large"
    local check=$pid code=0
    until grep -q 'rchar: [0-9]\{7\}' "/proc/$check/io" 2>/dev/null || ! alive "$check"; do sleep 0.02; done
    kill -STOP "$check" 2>/dev/null || return 1
    start_gateway "$work/weir.conf" name=one
    expect 0 cache status vm1
    says "write-back"
    sleep 1
    kill -CONT "$check" 2>/dev/null
    wait "$check" || code=$?
    stop_gateway
    [ $code = 4 ] && grep -q "^checking $work/large: [1-9][0-9]* %, [1-9][0-9]* s" "$work/check.log" &&
        grep -q "a gateway has opened $work/large meanwhile" "$work/check.log"
}
wait_until 60 noticed
