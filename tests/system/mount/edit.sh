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
start_real
start_weirfs
good='filters = ( { filter = "fault"; } );'
bad='filters = ( { filter = "bogus"; } );'
cut='filters = ( { filter = "fault"; }'
beside=$(ls -A "$mnt/exports/vm1")

# error_is WORDS [STATUS]: for the mount and for the export
error_is() {
    grep -qF "$1" "$mnt/last_error" || fail "$tool: last_error: $(cat "$mnt/last_error")"
    grep -qF "$1" "$mnt/exports/vm1/last_error" ||
        fail "$tool: last_error of vm1: $(cat "$mnt/exports/vm1/last_error")"
}
no_error() {
    assert_eq "$(cat "$mnt/last_error" "$mnt/exports/vm1/last_error")" "" "$tool: an error after $1"
}
unchanged() {
    assert_eq "$(cat "$file")" "$before" "$tool: the policy changed"
    rm -f "${file%/*}"/*.new # of mv, which leaves what it could not move
}
runs() { # what the export runs with, not only what its file says
    [ -d "$mnt/exports/vm1/filters/10-$1" ] || fail "$tool: vm1 runs $(ls "$mnt/exports/vm1/filters")"
}
for file in "$mnt/policies/gold" "$mnt/exports/vm1/policy.conf"; do
    before='filters = ( { filter = "pass"; } );'
    echo "$before" >"$file"
    before=$(cat "$file")
    runs pass
    edit "$good" || fail "$tool: a good edit was refused"
    no_error "a good edit"
    runs fault
    before=$(cat "$file")
    case $file in *gold) assert_eq "$before" "$good" "$tool: a good edit" ;; esac

    if edit "$bad" && [ "$tool_hears" = always ]; then fail "$tool: a bad edit succeeded"; fi
    unchanged
    error_is 'there is no filter "bogus"'

    if edit "$cut" && [ "$tool_hears" != write ]; then
        fail "$tool: an edit that ends too soon succeeded"
    fi
    unchanged
    error_is 'is not closed'

    edit "$good" || fail "$tool: an edit that changes nothing was refused"
    unchanged
    no_error "the same again"
    runs fault
done
# nothing that looks like a policy was left
assert_eq "$(ls -A "$mnt/policies")" "$(printf '%s\n' gold idle)" "$tool left"
assert_eq "$(ls -A "$mnt/exports/vm1")" "$beside" "$tool left"
# what was applied is what a restart reads
assert_eq "$(cat "$work/etc/policies.d/gold.conf")" "$good" "the file of the policy"
