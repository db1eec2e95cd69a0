#!/bin/bash
# shared.sh - is a cache upgraded whose pool several exports share, all of them at once, or none?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq fio
times=${1:-${WEIR_REPEAT:-6}}

# cache FILE FOLDER: sets $package to a package of the filter that FILE is.
cache() {
    mkdir "$work/$2"
    cp "$1" "$work/$2/weir-filter-cache.so"
    [ -z "${3:-}" ] || echo "$3" >>"$work/$2/weir-filter-cache.so"
    (cd "$work/$2" && "$weirctl" filter pack weir-filter-cache.so --vendor=us >/dev/null)
    package=$(echo "$work/$2"/cache-*.tar.zst)
}
cache "$WEIR_BUILD/filters/weir-filter-cache.so" came; came=$package
cache "$WEIR_BUILD/filters/weir-filter-cache.so" again again; again=$package # other bytes, the same filter
cache "$built/packaged-pooled.so" pooled; pooled=$package # which does not attach to "second"
rm "$WEIR_FILTERS/weir-filter-cache.so"
expect 0 filter install "$came"

# The pool is small: it is full of dirty blocks all the time, and a write to one disk waits for those
# of the other.  A disk of another pool has its own time.
CONF_MORE="pools = ( { name = \"fast\"; path = \"$work/fast.pool\"; size = \"64M\"; },
    { name = \"other\"; path = \"$work/other.pool\"; size = \"64M\"; } );"
policy shared '{ filter = "cache"; pool = "fast"; mode = "write-back"; sequential = "none"; }'
policy alone '{ filter = "cache"; pool = "other"; mode = "write-back"; sequential = "none"; }'
disk first 64M shared
disk second 64M shared
disk third 64M alone
serve

for d in first second; do
    spawn "fio-$d" fio --name=$d --ioengine=nbd --uri="$(uri $d)" --rw=randwrite --bsrange=4k-64k --blockalign=4k --size=32m \
        --offset=32m --iodepth=8 --fsync=100 --verify=crc32c --verify_fatal=1 --loops=1000 --do_verify=1
    declare "fio_$d=$pid"
done
writes() { (($("$weirctl" --json export stats "$1" | jq '.places[0].ops.write.requests // 0') > 300)); }
wait_until 60 writes first
wait_until 60 writes second
# what nobody writes meanwhile, of which the pool has a part
for d in first second; do
    head -c 32M /dev/urandom >"$work/$d.image"
    nbdcopy "$work/$d.image" "$(uri $d)" || fail "$d cannot be written"
done

state() { "$weirctl" --json export show "$1" | jq -r .state; }
serves_all() {
    alive "$fio_first" && alive "$fio_second" || fail "a client saw $1: $(tail -3 "$work"/fio-*.log)"
    for d in first second third; do assert_eq "$(state $d) $(compliance $d)" "active compliant" "$d after $1"; done
    ! "$weirctl" events | grep -F "served without the pool" || fail "a disk lost its pool at $1"
}
longest=0
for ((n = 1; n <= times; n++)); do
    if ((n % 2)); then next=$again; else next=$came; fi
    expect 0 --json filter upgrade "$next"
    json '[e["export"] for e in d["exports"]] == ["first", "second", "third"]'
    pause=$(jq '[.exports[].paused_ns] | max' <<<"$out")
    ((pause <= longest)) || longest=$pause
    serves_all "upgrade $n"
done

# ---- a version that attaches to the one and not to the other: both stay with what they had
expect 4 filter upgrade "$pooled"
complains 'export "second" did not take the change: version 3 does not like this disk'
complains "everything was put back as it was"
serves_all "an upgrade that was refused"
expect 0 filter verify cache
expect 0 --json filter upgrade "$again"
serves_all "the next upgrade"

# ---- and all is there, after a crash too
kill -INT "$fio_first" "$fio_second"
wait "$fio_first" || true; wait "$fio_second" || true
! grep -E "err= *[1-9]|verify:|io_u error" "$work/fio-first.log" "$work/fio-second.log" || fail "fio saw an error"
is_right() { nbdcopy "$(uri "$1")" - | head -c 32M | cmp - "$work/$1.image" || fail "$1 has other bytes $2"; }
for d in first second; do is_right $d "after upgrades"; done
kill -9 "$gateway_pid"
wait "$gateway_pid" 2>/dev/null || true
serve
for d in first second; do is_right $d "after a crash"; done
echo "$times upgrades of a shared pool under load, no error; longest pause $((longest / 1000000)) ms"
