#!/bin/bash
# own.sh - are weir's own filters upgraded under clients, with all that they keep?
# SPDX-License-Identifier: BSD-3-Clause
#
# Encryption, which changes what is stored; a cache with dirty blocks; I/O
# control, whose disks share what they learn.  What was signed is what is loaded.
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq openssl fio
new_key maker
mkdir "$work/trusted.d" "$work/again"
cp "$work/maker.pem" "$work/trusted.d/"
head -c 32 /dev/urandom >"$work/disk.key"
chmod 600 "$work/disk.key"
conf=--conf=$work/weir.conf

# As weir-package(5) says it: what came with weir becomes what somebody vouches for.
for name in cache control encryption; do
    rm "$WEIR_FILTERS/weir-filter-$name.so"
    cp "$WEIR_BUILD/filters/weir-filter-$name.so" "$WEIR_FILTERS/"
    (cd "$work/packages" && "$weirctl" filter pack "$WEIR_FILTERS/weir-filter-$name.so" --vendor=us --key="$work/maker.key" >/dev/null)
    # another build of it: other bytes, the same filter
    cp "$WEIR_BUILD/filters/weir-filter-$name.so" "$work/again/"
    echo again >>"$work/again/weir-filter-$name.so"
    (cd "$work/again" && "$weirctl" filter pack "weir-filter-$name.so" --vendor=us --key="$work/maker.key" >/dev/null)
done
CONF_MORE="require_signed = true; pools = ( { name = \"fast\"; path = \"$work/fast.pool\"; size = \"128M\"; } );"
policy all "{ filter = \"encryption\"; key = \"file:$work/disk.key\"; format = true; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; },
    { filter = \"cache\"; pool = \"fast\"; mode = \"write-back\"; }, { filter = \"control\"; shares = \"high\"; }"
policy most "{ filter = \"encryption\"; key = \"file:$work/disk.key\"; format = true; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; },
    { filter = \"control\"; shares = \"high\"; }"
disk one 64M all
disk two 64M most
write_conf
expect 4 check "$work/weir.conf"
complains "is refused, for require_signed is set"
for name in cache control encryption; do expect 0 filter install "$work/packages/$name"-*.tar.zst "$conf"; done
expect 0 check "$work/weir.conf"
serve
assert_eq "$(compliance one) $(compliance two)" "compliant compliant"

for d in one two; do
    spawn "fio-$d" fio --name=$d --ioengine=nbd --uri="$(uri $d)" --rw=randwrite --bsrange=4k-64k --blockalign=4k --size=16m \
        --iodepth=8 --fsync=50 --verify=crc32c --verify_fatal=1 --loops=200 --do_verify=1
    declare "fio_$d=$pid"
done
writes() { (($("$weirctl" --json export stats one | jq '.places[0].ops.write.requests // 0') > 100)); }
wait_until 60 writes
for name in encryption cache control; do
    for package in "$work/again/$name"-*.tar.zst "$work/packages/$name"-*.tar.zst; do
        expect 0 --json filter upgrade "$package" "$conf"
        json "len(d['exports']) == $([ $name = cache ] && echo 1 || echo 2)"
        json 'all(e["paused_ns"] > 0 for e in d["exports"])'
        alive "$fio_one" && alive "$fio_two" || fail "a client saw the upgrade of $name"
        assert_eq "$(compliance one) $(compliance two)" "compliant compliant"
    done
done
kill -INT "$fio_one" "$fio_two"
wait "$fio_one" || true; wait "$fio_two" || true
! grep -E "err= *[1-9]|verify:|io_u error" "$work/fio-one.log" "$work/fio-two.log" || fail "fio saw an error"
serves one
serves two

# a key that is not to be had: told before the disk is lost, and the disk is not
mv "$work/disk.key" "$work/away.key"
head -c 8M /dev/urandom >"$work/image"
nbdcopy "$work/image" "$(uri one)"
code=0
"$weirctl" filter upgrade "$work"/again/encryption-*.tar.zst "$conf" >"$work/away.log" 2>&1 || code=$?
[ "$code" != 0 ] || fail "an upgrade without the key ended well"
mv "$work/away.key" "$work/disk.key"
is_active() { [ "$("$weirctl" --json export show "$1" | jq -r .state)" = active ]; }
wait_until 60 is_active one
wait_until 60 is_active two
nbdcopy "$(uri one)" - | head -c 8M | cmp - "$work/image" || fail "what was written before is lost"
