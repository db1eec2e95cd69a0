#!/bin/bash
# signed.sh - does a target with a key take nothing from who has another one, or none?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
requires nbdcopy
TLS='' # it is the key that says from whom a frame comes
head -c 32 /dev/urandom >"$work/key"
head -c 32 /dev/urandom >"$work/other"
at_source() { REPLICATION="${1:+key = \"$1\";}"; }
at_target() { VAULT="history = \"1h\"; ${1:+key = \"$1\";}"; }
fill() { nbd "h.pwrite(b'\\x$1' * 65536, $2 << 20); h.flush()"; }
serves_again() { # with what at_source or at_target said
    "stop_$1" && "configure_$1" && "start_$1"
}
held() { nbdcopy "$(read_point vm1)" "$work/there"; sha256sum <"$work/there"; }
error() { status .last_error; }

# ---- both have it
at_source "$work/key" && at_target "$work/key"
start_sites
fill 01 20
wait_in_step
held >"$work/before"
cmp "$disk" "$work/there" || fail "what is signed did not arrive"

# ---- the source has another, or none: nothing of it is taken, and both say why
strangers() { grep -c 'severity=warning text="group .*: a command has no tag or was made with another key: do both sites' "$work/target.log" || true; }
was_refused() { error | grep -qx 'the target does not take this source: do both sites have the same key file?'; }
refused() { # BYTE [KEY]
    at_source "${2:-}" && serves_again source
    fill "$1" 20
    wait_until 60 was_refused
    held >"$work/after"
    cmp -s "$work/before" "$work/after" || fail "the target took what is not signed by its key"
}
refused 02 "$work/other"
refused 03
assert_eq "$(strangers) $(target_status .state) $(target_status .last_error)" "1 receiving " "strangers, as the target sees them"

# ---- the right one again: all of it arrives
at_source "$work/key" && serves_again source
wait_in_step
held >"$work/before"
cmp "$disk" "$work/there" || fail "the disk did not arrive"
refused 04 "$work/other"
assert_eq "$(strangers)" 2 "a stranger after the source is news"

# ---- a file that is no key locks the disk, at the source and at the target
wrong() { # FILE WORDS
    at_source "$1" && serves_again source
    locked() { ctl get exports/vm1/reason | grep -q "key = \"$1\": $2"; }
    wait_until 60 locked "$1" "$2"
    assert_eq "$(ctl get exports/vm1/state)" locked "a disk whose filter has no key"
}
base64 "$work/key" >"$work/key.base64"
head -c 31 "$work/key" >"$work/short"
mkfifo "$work/fifo"
wrong "$work/key.base64" 'it is longer: it is a file of 32 bytes'
wrong "$work/short" 'it is shorter: it is a file of 32 bytes'
wrong "$work/absent" 'No such file or directory: it is a file of 32 bytes'
wrong "$work/fifo" 'it is shorter'
wrong "$work" 'Is a directory'
at_target "$work/key.base64" && serves_again target
target_locked() { target_ctl get exports/log:vm1/reason | grep -q "key = \"$work/key.base64\": it is longer"; }
wait_until 60 target_locked
at_target "$work/key" && serves_again target
at_source "$work/key" && serves_again source
wait_in_step
