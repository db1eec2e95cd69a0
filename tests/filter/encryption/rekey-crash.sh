#!/bin/bash
# rekey-crash.sh - does a deep rekey go on, with no byte lost, whatever it was doing when its gateway was killed?
# SPDX-License-Identifier: BSD-3-Clause
#
# The filter fault, below, kills the gateway before or after a write to a given place, or with it
# half done; four connections work with the disk meanwhile.  The next gateway is killed at the next place, and the last one
# brings it to the end.
SIZE=20M
. "$WEIR_SOURCE/tests/filter/encryption/rekey.sh" || exit
journal=$(((16 << 20) - 72 * 1024)) record=$((36 * 1024)) data=$((16 << 20)) mib=$((1 << 20))

fresh() {
    rm -f "$disk"
    cp --sparse=always "$work/filled" "$disk"
    cp "$work/filled.model" "$work/model"
    echo '[]' >"$work/model.doubt"
}
serve "$(formatted ""), $harmless"
model fill "$work/model"
stop_gateway
old=$(luks volume-key "$disk" "$work/key")
cp --sparse=always "$disk" "$work/filled"
cp "$work/model" "$work/filled.model"

# killed: the same, and the load has seen nothing wrong until then
killed() {
    crashed
    load_ends
}
# resumes [FILTER]: the next gateway takes the disk up; each byte is there
resumes() {
    serve "$(encrypted "$quick"), ${1:-$harmless}"
}
to_the_end() {
    resumes
    wait_until 60 ended
    model check "$work/model"
    stop_gateway
}

# ---- while it begins: it has begun or not, and the disk is whole
for place in "$journal $((journal + record)) after" "32768 $journal before 4096" "0 16384 before" "0 16384 before 4096" "0 16384 after" \
    "16384 32768 before 4096"; do
    fresh
    # shellcheck disable=SC2086
    resumes "$(fault $place)"
    verb encryption rekey-deep >"$work/said" 2>&1 && fail "it began in spite of $place"
    crashed
    to_the_end
    if [ "$(luks volume-key "$disk" "$work/key")" = "$old" ]; then began=no; else began=yes; fi
    case $place in
    "0 16384 after" | 16384*) assert_eq "$began" yes "begun when killed at $place" ;;
    *) assert_eq "$began" no "begun when killed at $place" ;;
    esac
    [ $began = no ] || assert_rekeyed "$old" "$work/key"
done

# ---- then at one place after the other, in one rekey; no guest writes to the second MiB
one="$((data + mib)) $((data + 2 * mib))" first="$journal $((journal + record))" second="$((journal + record)) $data"
fresh
# shellcheck disable=SC2086
resumes "$(fault $one before)"
load_begins
verb encryption rekey-deep >"$work/said" 2>&1 || true # it may be killed before it answers
killed
# the chunk is brought to its end: not at all, a part of it, a part of a sector more, all
for place in "$one before 256K" "$one before 1536" "$one after"; do
    # shellcheck disable=SC2086
    start_gateway_to_crash "$(fault $place)"
done
# the record of the next chunk, and of the one after that
for place in "$second before" "$second before 4K" "$second after" "$first before" "$first before 4K"; do
    # shellcheck disable=SC2086
    start_gateway_to_crash "$(fault $place)" load
done
# the header says that it has ended, and what is left is wiped
for place in "0 16384 before" "0 16384 before 4K" "0 16384 after" "16384 32768 before 4K" "$journal $data before" "32768 290816 before 4K"; do
    # shellcheck disable=SC2086
    start_gateway_to_crash "$(fault $place)"
done
to_the_end
assert_rekeyed "$old" "$work/key"
