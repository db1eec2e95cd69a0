#!/bin/bash
# examples.sh - do the examples of weir-cache(1) work, as they are written?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=64M
. "$WEIR_SOURCE/tests/filter/cache/cache.sh" || exit
python3 "$WEIR_SOURCE/tests/docs/verbatim.py" "$WEIR_SOURCE/filters/cache/weir-cache.pod" "$work/shown"
mkdir "$work/bin" "$work/tried"
ln -s "$weirctl" "$work/bin/weirctl"
PATH=$work/bin:$PATH

# here COMMAND: as the page has it, with the paths of this test; sets $code and $said
here() {
    code=0
    grep -qxF -- "$1" "$work"/shown/* || fail "the page does not show: $1"
    echo "$1" >>"$work/tried/commands"
    said=$(bash -c "${1//\/fast\/weir.pool/$pool}" 2>&1) || code=$?
}
small_log=$((8 << 20)) # of a pool of 64 MiB

# what an option is said to do, seen
shows() {
    case $1 in
    mode) assert_statistic cache mode write-back ;;
    pool) assert_statistic cache pool ssd ;;
    min) # its neighbours are in shared.sh
        ;;
    max)
        nbd '
import random
places = list(range(256)); random.Random(1).shuffle(places)
for i in places: h.pread(262144, i * 262144)'
        local clean; clean=$(statistic cache clean_bytes)
        [ "$clean" -gt $((24 << 20)) ] || fail "of a pool of 64 MiB it has only $clean bytes"
        [ "$clean" -le $((32 << 20)) ] || fail "of a pool of 64 MiB it has $clean bytes" ;;
    sequential)
        nbd 'for i in range(128): h.pread(131072, i * 131072)'
        assert_statistic cache clean_bytes $((8 << 20)) ;;
    order)
        nbd 'h.trim(65536, 0)'
        assert_statistic cache trims_ignored 1 ;;
    destage_delay)
        nbd 'for i in range(8): h.pwrite(block, 0)'
        assert_statistic cache dirty_bytes 4096 ;;
    dirty_limit)
        nbd 'for i in range(96): h.pwrite(block * 16, i * 65536)'
        [ "$(statistic cache dirty_bytes)" -le $((small_log / 4 + 65536)) ] || fail "$(statistic cache dirty_bytes) bytes are dirty" ;;
    autotune) # how the pool finds another length is in autotune.sh
        assert_eq "$(statistic cache small_percent)" 13 ;;
    grid)
        stop_gateway
        "$weirctl" --json cache check "$pool" | grep -q '"grid_bytes":3584' || fail "the pool has another grid"
        serve_again ;;
    *) fail "nothing shows what $1 does" ;;
    esac
}

# ---- each entry, with a disk and a pool of its own: its options are what it says, and do what they are for
entries=0
for shown in "$work"/shown/*; do
    grep -qE '^\{ filter = "cache"' "$shown" || continue
    entry=$(cat "$shown")
    rm -rf "$work/disks" "$pool" "${WEIR_STATE:?}"/*
    serve_cache "$entry"
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        option=${line%% =*} value=${line#*= } value=${value//\"/}
        is=$("$weirctl" export option vm1 cache "$option")
        case $value in *%) value=0.${value%0%} ;; esac # 20% is shown as 0.2, and 25% as 0.25
        assert_eq "$is" "${value%\%}" "$entry: $option"
        shows "$option"
        touch "$work/tried/option.$option"
    done < <(sed 's/^{ filter = "cache"; //; s/ *}$//; s/; */\n/g' <<<"$entry")
    nbd 'h.pwrite(block, 512); expect(h.pread(4096, 512), block)'
    stop_gateway
    entries=$((entries + 1))
done
[ $entries -ge 9 ] || fail "only $entries examples"
for option in $("$weirctl" filter describe cache --json |
    python3 -c 'import json, sys; print(*(o["name"] for o in json.load(sys.stdin)["options"]))'); do
    [ -e "$work/tried/option.$option" ] || fail "no example for $option"
done

# ---- the commands, where the page has them
rm -rf "$work/disks" "$pool" "${WEIR_STATE:?}"/*
serve_cache "$(cached 'mode = "write-back"; destage_delay = "1h";')"
nbd '
for n in range(4):
    for i in range(0, 64, 2): h.pread(65536, i * 65536)
h.pwrite(block, 0); h.flush()'
here "weirctl cache mrc vm1"
grep -q '^half .*, now .*, twice ' <<<"$said" || fail "$code: $said"
kill_server
here "weirctl cache check /fast/weir.pool"
assert_eq "$code $(tail -1 <<<"$said")" "0 sound" "the check of a pool"
mv "$pool" "$work/lost"
serve_again
assert_locked "is not the one that holds blocks of this disk"
"$weirctl" status | grep -q 'pool ssd' || fail "status does not say which pool: $("$weirctl" status)"
mv "$work/lost" "$pool"
here "weirctl cache fill vm1"
assert_eq "$code" 0 "$said"
nbd 'expect(h.pread(4096, 0), block)'
kill_server
rm "$pool"
serve_again
here "weirctl cache discard vm1"
assert_eq "$code" 4 "$said"
assert_locked "is not the one that holds blocks of this disk"
here "weirctl cache discard vm1 yes"
assert_eq "$code" 0 "$said"
nbd 'expect(h.pread(4096, 0), bytes(4096))'
assert_eq "$(grep -h '^weirctl' "$work"/shown/* | sort)" "$(sort "$work/tried/commands")" "commands of the page"
