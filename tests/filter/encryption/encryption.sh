# encryption.sh - what do the tests of encryption share?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced after SIZE is set, or not: 24 MiB on the medium, 8 of them for the guest.
SIZE=${SIZE:-24M}
. "$WEIR_SOURCE/tests/filter/filter.sh"
here=$WEIR_SOURCE/tests/filter/encryption
quick='pbkdf = "pbkdf2"; pbkdf_time = "1ms";' # a key slot that opens at once
# new_key NAME [WORDS]: a key file, and the words that name it
new_key() { (umask 077 && printf '%s' "${2:-the $1 of this test}" >"$work/$1"); }
new_key key
mkdir -p "$work/disks"

# no_disk: another one may take its place; forget: the gateway knew none there
forget() { rm -f "$work"/state/exports/vm1/encryption/uuid; }
no_disk() { rm -f "$disk" && forget; }

# encrypted [OPTIONS]: the filter as a policy has it
encrypted() { printf '{ filter = "encryption"; key = "file:%s/key"; %s }' "$work" "$*"; }
formatted() { encrypted "format = true; $quick $*"; }
luks() { python3 "$here/luks.py" "$@"; }
# luks_format IMAGE KEY-FILE BITS SECTOR [OPTIONS]: by cryptsetup; BITS of AES
luks_format() {
    requires cryptsetup
    PATH=$PATH:/usr/sbin:/sbin cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --key-size $((2 * $3)) --sector-size "$4" "$1" "$2" "${@:5}"
}
reason() { ctl get exports/vm1/last_error 2>/dev/null || true; }
state() { ctl get exports/vm1/state; }
why_locked() { verb encryption status | sed -n 's/^why: //p'; }
# asked: a command that was asked for the key at the opening has answered; a slow one is waited for
# in the background
asked() { case $(why_locked) in *"has not come yet"*) return 1 ;; esac; }
# assert_locked WORDS: nobody can open the export, and it says why
assert_locked() {
    assert_eq "$(state)" locked "the state of the export"
    assert_statistic encryption state locked
    case $(why_locked) in *"$1"*) ;; *) fail "locked because: $(why_locked); not: $1" ;; esac
    ! nbdinfo "$url" >/dev/null 2>"$work/said" || fail "a locked export was opened"
}
# refused VERB SENTENCE: the verb is refused with it
refused() {
    if verb encryption "$1" >"$work/said" 2>&1; then fail "$1 was taken: $(cat "$work/said")"; fi
    grep -qF -- "$2" "$work/said" || fail "$1: $(cat "$work/said")"
}
