#!/bin/bash
# inspection-trace.sh - does the trace show each request with its fields, in the order of arrival?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "inspection"; }, { filter = "fault"; ops = "read"; from = "8M"; error = "EIO"; delay = "20ms"; }'
verb inspection clear
nbd '
h.pwrite(block, 65536)
h.pwrite(block, 69632, nbd.CMD_FLAG_FUA)
h.flush()
h.zero(8192, 0, nbd.CMD_FLAG_NO_HOLE)
h.trim(4096, 131072)
expect(error(h.pread, 512, 8 << 20), "EIO")
'
statistic inspection trace >"$work/trace"
assert_eq "$(head -1 "$work/trace")" "# time op offset length flags latency_ns error"
assert_eq "$(grep -v "^#" "$work/trace" | cut -d" " -f2,3,4,5,7 | paste -sd";")" \
    "write 65536 4096 - -;write 69632 4096 fua -;flush 0 0 - -;zero 0 8192 - -;trim 131072 4096 - -;read 8388608 512 - EIO"
awk "/^#/ { next } \$1 < last { exit 1 } { last = \$1 } \$2 == \"read\" && \$6 < 20000000 { exit 2 }" "$work/trace" ||
    fail "times or latencies are wrong: $(cat "$work/trace")"
now=$(date +%s)
at=$(sed -n "2s/\..*//p" "$work/trace")
[ "$at" -le $((now + 1)) ] && [ "$at" -ge $((now - 60)) ] || fail "the time of day is wrong: $at, now $now"
