#!/bin/bash
# sim.sh - does cache-sim count what can be counted by hand, and does the policy keep its promises?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit
sim=$WEIR_BUILD/tests/bench/cache-sim/cache-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# field NAME: of the one line of JSON in $out
field() {
    sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" <<<"$out"
}

# Belady's own example: blocks 1 2 3 4 1 2 5 1 2 3 4 5 in three places: 7 misses, LRU 10, FIFO 9.
for block in 1 2 3 4 1 2 5 1 2 3 4 5; do
    echo "0.5,read,$((block * 4096)),4096"
done >"$work/belady.csv"
out=$("$sim" --json --size=12K "$work/belady.csv") || fail "a csv is not read"
assert_eq "$(field references) $(field blocks)" "12 3"
assert_eq "$(field min) $(field lru) $(field fifo)" "0.583333 0.833333 0.750000"

# The same in the other formats: LRU of what fits misses once for each block.
awk -F, '{ print $3 / 512, 8, 0, NR }' "$work/belady.csv" >"$work/belady.lis"
for block in 1 2 3 4 1 2 5 1 2 3 4 5; do
    printf '%b' "\\x0$block\\0\\0\\0"
done >"$work/belady.u32"
for block in 1 2 3 4 1 2 5 1 2 3 4 5; do # length 4096, op 0x28, LBA
    lba=$(printf %02x $((block * 8)))
    printf '%b' '\0\0\0\0\0\x10\0\0\x01\0\0\0\x28\0\x01\0' "\\x$lba" '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
done >"$work/belady.vscsi"
sed 's/,/ /g; s/$/ - 9 -/' "$work/belady.csv" >"$work/inspection.csv"
sed 's/.*,read,\([0-9]*\),.*/\1 R/' "$work/belady.csv" | awk '{ print $1 / 512 "," $2 }' >"$work/lba.csv"
for trace in belady.lis belady.u32 belady.vscsi inspection.csv; do
    out=$("$sim" --json --size=12K "$work/$trace") || fail "$trace is not read"
    assert_eq "$trace $(field min) $(field lru)" "$trace 0.583333 0.833333"
done
out=$("$sim" --json --size=12K --columns=lba,op "$work/lba.csv") || fail "columns are not named"
assert_eq "$(field min)" 0.583333

# A grid: blocks that begin at sector 63 are two each on the disk's own grid, one each on theirs.
for block in 0 1 2 3; do
    echo "0,write,$((63 * 512 + block * 8192)),4096"
done >"$work/grid.csv"
out=$("$sim" --json --size=1M "$work/grid.csv")
assert_eq "$(field references)" 8
out=$("$sim" --json --size=1M --grid=3584 "$work/grid.csv")
assert_eq "$(field references)" 4
"$sim" --reads-only "$work/grid.csv" 2>/dev/null && fail "there is nothing to read in it"

# A loop longer than the pool: LRU misses always, the policy not more; what fits misses once.
out=$("$sim" --json --size=10% synthetic:loop)
assert_eq "$(field lru)" 1.000000
out=$("$sim" --json --size=110% synthetic:loop)
assert_eq "$(field policy)" 0.100000

# A scan costs the policy less than LRU.
out=$("$sim" --json --size=5% synthetic:scan)
awk -v policy="$(field policy)" -v lru="$(field lru)" 'BEGIN { exit !(policy < 0.95 * lru) }' ||
    fail "a scan drives out what is hot: $out"

# Where the set in use moves on, autotune finds that the small queue should be longer; else it stays.
with_and_without() { # SIZE TRACE
    out=$("$sim" --json --size="$1" "$2")
    without=$(field policy)
    out=$("$sim" --json --autotune --size="$1" "$2")
}
with_and_without 20% synthetic:shift
awk -v with="$(field policy)" -v without="$without" 'BEGIN { exit !(with < 0.85 * without) }' ||
    fail "autotune does not help: $without without it, and $out"
with_and_without 5% synthetic:scan
assert_eq "$(field policy) $(field tunes)" "$without 0"

# What cannot be is said.
"$sim" --size=5x synthetic:loop >/dev/null 2>"$work/error" && fail "5x is a size"
grep -q "5x: a size is" "$work/error" || fail "$(cat "$work/error")"
"$sim" "$work/none.csv" 2>/dev/null && fail "a file that is not there is read"
"$sim" --help | grep -q "^Usage: cache-sim" || fail "no help"
exit 0
