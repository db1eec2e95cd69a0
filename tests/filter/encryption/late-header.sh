#!/bin/bash
# late-header.sh - does a disk whose store did not answer at the start come by itself?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
again="tried again by itself"
below='{ filter = "fault"; ops = "read"; to = "16M"; error = "EIO"; }'
serve "$(formatted)"
nbd 'h.pwrite(block, 0); h.flush()'
stop_gateway

# ---- while the store fails it is locked; then the header is read again, and the key comes
serve "$(encrypted), $below"
assert_locked "Input/output error"
assert_locked "$again"
refused unlock "$again"
option fault rate 0
unlocked() { [ "$(statistic encryption state)" = unlocked ] && [ "$(state)" = active ]; }
wait_until 60 unlocked
nbd 'expect(h.pread(4096, 0), block)'

# ---- who has locked it by hand is asked, whatever the store does
verb encryption lock >/dev/null
stop_gateway
rm -r "$work/overrides.d"
serve "$(encrypted), $below"
assert_locked "the verb lock took the key away"
refused unlock "$again"
verb encryption lock >/dev/null
assert_locked "the verb lock took the key away"
stop_gateway

# ---- what was read, and is no header, is not read again
no_disk
truncate -s 24M "$disk"
echo rubbish | dd of="$disk" conv=notrunc status=none
serve "$(encrypted)"
assert_locked "not LUKS"
case $(why_locked) in *"$again"*) fail "what is no header is read again" ;; esac
