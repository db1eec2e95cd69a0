#!/bin/bash
# grow.sh - does a disk grow, but not where nobody could open it afterwards?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
mkdir -p "$work/disks"
truncate -s 24M "$disk"
luks_format "$disk" "$work/key" 256 512 --cipher aes-xts-plain
serve "$(encrypted)"
# grow_refused SIZE WORDS: and the image is as long as before
grow_refused() {
    local before
    before=$(stat -c %s "$disk")
    if "$weirctl" export grow vm1 "$1" >"$work/said" 2>&1; then fail "grown to $1: $(cat "$work/said")"; fi
    grep -qF -- "$2" "$work/said" || fail "grow to $1: $(cat "$work/said")"
    assert_eq "$(stat -c %s "$disk")" "$before" "the image after a grow that was refused"
}

# ---- tweaks of 32 bits end at 2 TiB
grow_refused 3T "counts no further than 2 TiB"
"$weirctl" export grow vm1 40M >/dev/null
assert_eq "$(nbdinfo --size "$url")" $((40 << 20)) "the size of the payload"
assert_statistic encryption state unlocked
stop_gateway

# ---- without a header nobody knows how large the disk is
rm "$disk"
serve "$(encrypted)"
grow_refused 40M "no LUKS header is known"
