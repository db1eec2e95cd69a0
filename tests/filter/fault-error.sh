#!/bin/bash
# fault-error.sh - does each error reach the client by its own name, and a live change at once?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; }'
for e in EIO ENOSPC EPERM ENOMEM ESHUTDOWN EINVAL none; do
    option fault error $e
    nbd "expect(error(h.pwrite, block, 0), \"$e\")"
done
# nbdkit says ENOTSUP to a fast zero alone, and EINVAL in its place to all others
option fault ops write,zero
option fault error ENOTSUP
nbd "expect(error(h.pwrite, block, 0), \"EINVAL\")
expect(error(h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO), \"ENOTSUP\")"
assert_statistic fault errors 8
