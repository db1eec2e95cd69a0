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
stop_gateway

# ---- it comes to a disk, or goes, only when no client has it open: nobody is asked for a key, and
# ---- nothing is formatted, before that is known
rm "$disk"
rm -f "$note"
forget
printf '#!/bin/sh\necho asked >>%s/asked\nexec cat %s/key\n' "$work" "$work" >"$work/hook"
chmod 700 "$work/hook"
serve '{ filter = "pass"; }'
printf 'name = "p"; filters = ( { filter = "encryption"; key = "exec:%s/hook"; format = true; %s } );\n' \
    "$work" "$quick" >"$work/with.conf"
mkfifo "$work/end"
spawn client nbdsh -u "$url" -c '
assert h.pread(512, 0) == bytes(512)
print("open", flush=True)
open("'"$work"'/end").read()
assert h.pread(512, 0) == bytes(512)'
client=$pid
wait_until 60 grep -q open "$work/client.log"
if "$weirctl" policy set p "$work/with.conf" >"$work/said" 2>&1; then fail "the disk was encrypted under a client"; fi
grep -q "filter encryption changes what is stored, and cannot come while 1 clients" "$work/said" || fail "$(cat "$work/said")"
[ ! -e "$work/asked" ] || fail "the key was asked for"
cmp -n $((24 << 20)) "$disk" /dev/zero || fail "the disk was formatted"
assert_eq "$(state)" active
echo >"$work/end"
wait "$client" || fail "the client failed: $(cat "$work/client.log")"
alone() { [ "$(ctl get exports/vm1/connections)" = 0 ]; }
wait_until 60 alone
"$weirctl" policy set p "$work/with.conf"
wait_until 60 asked
nbd 'expect(h.get_size(), 8 << 20)'
