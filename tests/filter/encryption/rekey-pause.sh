#!/bin/bash
# rekey-pause.sh - what becomes of a deep rekey when the store fails, the disk is locked, its chain changes, or it is read-only?
# SPDX-License-Identifier: BSD-3-Clause
SIZE=20M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
mib=$((1 << 20))
is_paused() { [ "$(statistic encryption state)" = paused ]; }
serve "$(formatted ""), { filter = \"fault\"; ops = \"write\"; from = \"17M\"; to = \"18M\"; error = \"EIO\"; }"
option fault rate 0
model fill "$work/model"
old=$(luks volume-key "$disk" "$work/key")
option fault rate 1

# ---- the store fails in the second MiB: it waits, and the rest of the disk works
verb encryption rekey-deep >/dev/null
wait_until 60 is_paused
case $(verb encryption status) in *"it pauses: Input/output error"*) ;; *) fail "$(verb encryption status)" ;; esac
assert_statistic encryption rekey_progress_percent 25
nbd "expect(error(h.pread, 512, $mib), \"EIO\"); expect(error(h.pwrite, block, $mib + 8192), \"EIO\")
expect(error(h.pread, 512, $mib - 512), \"none\"); expect(error(h.pread, 512, 2 * $mib), \"none\")
expect(error(h.pread, $mib, $mib // 2), \"EIO\")"
refused "add file:$work/key" "a deep rekey is under way (25 %)"
refused "rekey file:$work/key" "a deep rekey is under way (25 %)"

# ---- torn in the middle, killed, and still failing: the same
kill_server

serve "$(encrypted), { filter = \"fault\"; ops = \"write\"; from = \"17M\"; to = \"18M\"; torn = \"256K\"; error = \"EIO\"; }"
is_paused || fail "$(verb encryption status)"
nbd "expect(error(h.pread, 512, $mib), \"EIO\"); expect(error(h.pread, 512, 2 * $mib), \"none\")"

# ---- locked and unlocked while it pauses; then the store works, and is slow
assert_eq "$(verb encryption lock)" "locked; the key is wiped"
verb encryption unlock >/dev/null
is_paused || fail "$(verb encryption status)"
option fault error none
option fault torn 0
option fault to 20M
option fault delay 500ms
verb encryption rekey-deep >/dev/null
nbd "expect(error(h.pread, 512, $mib), \"none\")"

# ---- locked and the chain changed while it works: it stops between two chunks and goes on
verb encryption lock >/dev/null
verb encryption unlock >/dev/null
for plaintext in false true; do
    printf 'name = "p"; plaintext_filters = %s; filters = ( %s, { filter = "fault"; ops = "write"; }, { filter = "inspection"; } );\n' \
        $plaintext "$(encrypted)" >"$work/new.conf"
    "$weirctl" policy set p "$work/new.conf"
    nbd "expect(error(h.pread, 512, $mib), \"none\"); expect(error(h.pread, 512, 3 * $mib), \"none\")"
done
option fault delay 1ms
wait_until 60 ended
model check "$work/model"
stop_gateway
assert_rekeyed "$old" "$work/key"
