#!/bin/bash
# traces.sh - does the policy miss as seldom on recorded traces as it should?
# SPDX-License-Identifier: BSD-3-Clause
#
# WEIR_TRACES: a folder with P3.lis.zst and OLTP.lis.zst (of the authors of ARC) and
# cloudPhysicsIO.vscsi (of libCacheSim).  Without them there is nothing to test.
. "$WEIR_SOURCE/tests/lib.sh" || exit
sim=$WEIR_BUILD/tests/bench/cache-sim/cache-sim
if [ ! -e "${WEIR_TRACES:-}/P3.lis.zst" ]; then
    echo "SKIP: WEIR_TRACES names no folder with traces"
    exit 77
fi
requires zstd
cd "$WEIR_TRACES" || exit

# The misses of S3-FIFO with a small queue of exactly 10 %, and what may be above them.
within() {
    awk -v of="$1" -v strict="$2" '
        BEGIN { split(strict, most) }
        match($0, /"policy": [0-9.]*/) { policy = substr($0, RSTART + 10, RLENGTH - 10) }
        match($0, /"lru": [0-9.]*/) { lru = substr($0, RSTART + 7, RLENGTH - 7) }
        { n++; change = policy / lru - 1; print of, $4, policy, most[n], change }
        policy > most[n] + 0.005 || change > 0.025 { bad = 1 }
        END { exit bad || n != 5 }'
}
"$sim" --json P3.lis.zst | within P3 ".8670 .7130 .5760 .3992 .2680" || fail "P3"
"$sim" --json --unit=4096 OLTP.lis.zst | within OLTP ".5358 .3793 .3227 .2742 .2290" || fail "OLTP"
"$sim" --json --grid=3584 cloudPhysicsIO.vscsi |
    within cloudPhysicsIO ".9501 .9259 .8765 .7867 .6270" || fail "cloudPhysicsIO"
