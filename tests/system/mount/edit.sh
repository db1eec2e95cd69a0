#!/bin/bash
# edit.sh - does a policy edited with TOOL apply whole or not at all?
# SPDX-License-Identifier: BSD-3-Clause
#
# edit.sh TOOL: a good edit, a bad one, one that ends too soon and one that changes
# nothing, of a policy and of an export's own.
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
tool=$1
. "$here/tools.sh"
tool_needs
start_fake a vm1
start_weirfs
good='filters = ( { filter = "fault"; } );'
bad='filters = ( { filter = "bogus"; } );'
cut='filters = ( { filter = "fault"; }'

unchanged() {
    assert_eq "$(cat "$file")" "$before" "$tool: the policy changed"
    rm -f "${file%/*}"/*.new # of mv, which leaves what it could not move
}
for file in "$mnt/policies/gold" "$mnt/exports/vm1/policy.conf"; do
    before='filters = ( { filter = "pass"; } );'
    echo "$before" >"$file"
    edit "$good" || fail "$tool: a good edit was refused"
    assert_eq "$(cat "$file")" "$good" "$tool: a good edit"
    assert_eq "$(cat "$mnt/last_error")" "" "$tool: last_error after a good edit"
    before=$good

    if edit "$bad" && [ "$tool_hears" = always ]; then fail "$tool: a bad edit succeeded"; fi
    unchanged
    grep -q "there is no filter 'bogus'" "$mnt/last_error" || fail "$tool: last_error: $(cat "$mnt/last_error")"

    if edit "$cut" && [ "$tool_hears" != never ] && [ "$tool_hears" != write ]; then
        fail "$tool: an edit that ends too soon succeeded"
    fi
    unchanged
    grep -q "ends too soon" "$mnt/last_error" || fail "$tool: last_error: $(cat "$mnt/last_error")"

    edit "$good" || fail "$tool: an edit that changes nothing was refused"
    unchanged
    assert_eq "$(cat "$mnt/last_error")" "" "$tool: last_error after the same again"
done
# nothing that looks like a policy was left
assert_eq "$(ls "$mnt/policies")" "$(printf '%s\n' gold idle)" "$tool left"
assert_eq "$(ls -A "$mnt/exports/vm1")" "$(printf '%s\n' filters policy.conf size_bytes)" "$tool left"
