#!/bin/bash
# inspection-ring.sh - does the trace keep the last N and no more, from many threads?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "inspection"; ring = 64; }'
nbd '
def work(n):
    c = nbd.NBD()
    c.connect_uri(h.get_uri())
    for i in range(200):
        c.pread(512, (n * 200 + i) * 512)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
for i in range(64):
    h.pread(512, i * 512)
'
statistic inspection trace | grep -v "^#" >"$work/trace"
assert_eq "$(wc -l <"$work/trace")" 64 "lines"
assert_eq "$(cut -d" " -f3 "$work/trace" | paste -sd,)" "$(seq -s, 0 512 32256)" "the last 64"
assert_statistic inspection reads 864
