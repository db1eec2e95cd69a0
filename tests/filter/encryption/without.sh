#!/bin/bash
# without.sh - is what an encrypted disk holds ever served as if it were the disk?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
serve "$(formatted)"
nbd 'h.pwrite(block, 0); h.flush()'
note=$(find "$work" -name transformed)
assert_eq "$(cat "$note")" encryption "what the export remembers"

# ---- a policy without the filter, while it runs
printf 'name = "p"; filters = ( { filter = "pass"; } );\n' >"$work/without.conf"
if "$weirctl" policy set p "$work/without.conf" >"$work/said" 2>&1; then fail "the filter was dropped"; fi
grep -q "stored by the filter encryption" "$work/said" || fail "$(cat "$work/said")"
nbd 'expect(h.pread(4096, 0), block)'
stop_gateway

# ---- and over a restart
serve '{ filter = "pass"; }'
assert_eq "$(state)" locked "the state without the filter"
"$weirctl" export show vm1 | grep -q "stored by the filter encryption" || fail "$("$weirctl" export show vm1)"
! nbdinfo "$url" >/dev/null 2>&1 || fail "cipher text was served as the disk"
stop_gateway
serve "$(encrypted)"
nbd 'expect(h.pread(4096, 0), block)'
stop_gateway

# ---- until somebody says that it is to be given up
: >"$note"
serve '{ filter = "pass"; }'
nbd 'expect(h.pread(4, 0), b"LUKS")'
stop_gateway

# ---- a disk that has never been unlocked was not stored by the filter
rm "$note" "$disk"
truncate -s "$SIZE" "$disk"
serve "$(encrypted)" # not formatted: locked
assert_eq "$(state)" locked
stop_gateway
serve '{ filter = "pass"; }'
nbd 'h.pwrite(block, 0)'
