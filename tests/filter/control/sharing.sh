#!/bin/bash
# sharing.sh - is somebody told, once, that gateways cannot share a datastore, and that they can?
# SPDX-License-Identifier: BSD-3-Clause
#
# A folder stands where the exchange file should be.
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
mkdir -p "$work/disks/.weir-control"
serve '{ filter = "control"; }'
said() { "$weirctl" events | grep -c "among gateways: $1" || true; }
reads() { nbd 'h.pread(4096, 0)'; }
broken_is_said() { reads && [ "$(said 'not shared')" -gt 0 ]; }
mended_is_said() { reads && [ "$(said 'no other gateway')" -gt 0 ]; }

wait_until 60 broken_is_said
statistic control exchange | grep -q 'not shared: ".*/disks/.weir-control" cannot be opened or made: Is a directory' ||
    fail "exchange: $(statistic control exchange)"
# nor for as long as it would take to be sure anew
nbd 'for i in range(45):
    h.pread(4096, 0)
    time.sleep(0.1)'
assert_eq "$(said 'not shared')" 1 "how often it is said"
rmdir "$work/disks/.weir-control"
wait_until 60 mended_is_said
assert_eq "$(statistic control exchange)" "no other gateway"
assert_statistic control gateways 1
assert_eq "$(said 'not shared')" 1 "how often it is said"
