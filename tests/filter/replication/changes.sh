#!/bin/bash
# changes.sh - does a backup that copies what is said to have changed have all that did, whatever was killed?
# SPDX-License-Identifier: BSD-3-Clause
#
# changes.sh [ROUNDS [SEED]]
# The disk is also sent, so that intents go and come as they do.
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
rounds=${1:-4}
seed=${2:-$RANDOM}
echo "seed $seed"
RANDOM=$seed
SIZE=512M REPLICATION='frame = "256k"; ring = "8M";'
# backup: brings $work/backup up to date by the ranges since $id; fails if that is not all.
backup() {
    verb replication "changes $id" >"$work/ranges"
    python3 - "$disk" "$work/backup" "$work/ranges" <<'PYTHON'
import sys
source, backup, ranges = sys.argv[1:]
copied = 0
with open(source, "rb") as s, open(backup, "r+b") as b:
    for line in open(ranges):
        offset, length = map(int, line.split())
        s.seek(offset)
        b.seek(offset)
        b.write(s.read(length))
        copied += length
print(f"copied {copied >> 16} granules of 64 KiB")
PYTHON
    cmp "$disk" "$work/backup" || fail "a change was not told"
}

is_back() { statistic replication state >"$work/answer" 2>&1; } # its control socket comes after that of NBD

start_sites
start_ledger --seed $RANDOM --ops 200 "$url"
end_ledger
cp "$disk" "$work/backup"
id=$(verb replication checkpoint)
for ((i = 0; i < rounds; i++)); do
    start_ledger --seed $RANDOM --rate 300 --largest 16384 --reconnect 120 --server-dies "$url"
    for ((n = i % 2 * (1 + RANDOM % 2); n > 0; n--)); do # each other round in order
        wait_acked $((1 + RANDOM % 100))
        kill_source
        start_source
    done
    wait_acked $((1 + RANDOM % 100))
    stop_ledger
    [ $((i % 2)) = 1 ] || { stop_source; start_source; }
    wait_until 60 is_back
    next=$(verb replication checkpoint)
    backup
    id=$next
done
