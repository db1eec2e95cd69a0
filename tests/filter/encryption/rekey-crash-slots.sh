#!/bin/bash
# rekey-crash-slots.sh - does a disk open, with no byte lost, wherever its gateway was killed while it went over to another passphrase?
# SPDX-License-Identifier: BSD-3-Clause
#
# Each step of `rekey` is a write: of the new slot and of the two headers, and then over the old slot and of the two
# headers.  The gateway is killed before, in the middle of and after each.
SIZE=18M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
data=$((16 << 20))
primary="0 16384" secondary="16384 32768" old_slot="32768 290816" new_slot="290816 548864"
new_key new
serve "$(formatted ""), $harmless"
model fill "$work/model"
stop_gateway
cp --sparse=always "$disk" "$work/filled"
volume=$(luks volume-key "$disk" "$work/key")

fresh() { # FILTER
    rm -rf "$disk" "$work/overrides.d" # of options that were set
    cp --sparse=always "$work/filled" "$disk"
    serve "$(encrypted "$quick"), $1"
}
# arm FROM TO WHEN [TORN]: as fault, of a gateway that works
arm() {
    local i=0 name
    for name in from to crash torn; do
        i=$((i + 1))
        [ $# -lt $i ] || option fault $name "${!i}"
    done
    option fault rate 1
}
again() { serve "$(encrypted "$quick")"; } # with the options as they were set, but for the fault's
# opens KEY: weir's own reader of the format and cryptsetup agree that it does; they get a copy, which they may mend
opens() {
    local seen
    cp --sparse=always "$disk" "$work/seen"
    seen=$(luks volume-key "$work/seen" "$work/$1" 2>/dev/null) || seen=none
    [ "$seen" = none ] || assert_eq "$seen" "$volume" "the volume key that $1 gives"
    if cryptsetup luksOpen --test-passphrase --key-file "$work/$1" "$work/seen" 2>/dev/null; then
        [ "$seen" != none ] || fail "cryptsetup opens by $1 what weir does not"
    else
        assert_eq "$seen" none "cryptsetup does not open by $1 what has the volume key"
    fi
    [ "$seen" != none ]
}
whole() {
    model check "$work/model"
    cmp -i $data "$disk" "$work/filled" || fail "killed at $place: the data are not what they were"
}
# to_the_end: both steps, of which any may have been made
to_the_end() {
    local other
    verb encryption "rekey file:$work/new" >"$work/said"
    option encryption key "file:$work/new"
    verb encryption "rekey file:$work/new" >"$work/said"
    if grep -q "nothing to go over to" "$work/said"; then # it was opened by the new one
        other=$(sed -n '/opened the disk$/!s/^slot \([0-9]*\):.*/\1/p' "$work/said")
        [ -z "$other" ] || verb encryption "remove $other" >/dev/null
    fi
    whole
    stop_gateway
    opens new || fail "killed at $place: in the end the new key does not open the disk"
    ! opens key || fail "killed at $place: in the end the old key opens the disk"
    head -c $data "$disk" | cmp -s -i 32768 -n 258048 - "$work/filled" && fail "killed at $place: the old slot's material is still there"
    return 0
}

# ---- the first step: a slot more.  The option names the old key, which opens at each moment
for place in "$new_slot before" "$new_slot before 4096" "$new_slot after" "$primary before" "$primary before 4096" "$primary after" \
    "$secondary before" "$secondary before 4096" "$secondary after"; do
    # shellcheck disable=SC2086
    fresh "$(fault $place)"
    verb encryption "rekey file:$work/new" >"$work/said" 2>&1 && fail "it was done in spite of $place"
    crashed
    opens key || fail "killed at $place: the old key does not open the disk"
    if opens new; then added=yes; else added=no; fi
    case $place in
    "$primary after" | "$secondary"*) assert_eq "$added" yes "the new key opens when killed at $place" ;;
    *) assert_eq "$added" no "the new key opens when killed at $place" ;;
    esac
    again
    to_the_end
done

# ---- between the steps, and the second: a slot less.  The option names the new key, which opens at each moment
for place in between "$old_slot before" "$old_slot before 4096" "$old_slot after" "$primary before" "$primary before 4096" \
    "$primary after" "$secondary before" "$secondary before 4096" "$secondary after"; do
    fresh "$harmless"
    verb encryption "rekey file:$work/new" >/dev/null
    option encryption key "file:$work/new"
    if [ "$place" = between ]; then
        kill_server
    else
        # shellcheck disable=SC2086
        arm $place
        verb encryption "rekey file:$work/new" >"$work/said" 2>&1 && fail "it was done in spite of $place"
        crashed
    fi
    opens new || fail "killed at $place: the new key does not open the disk"
    if opens key; then left=yes; else left=no; fi
    case $place in
    between | "$old_slot before") assert_eq "$left" yes "the old key opens when killed at $place" ;;
    *) assert_eq "$left" no "the old key opens when killed at $place" ;;
    esac
    again
    to_the_end
done
