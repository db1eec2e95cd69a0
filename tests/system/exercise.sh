#!/bin/bash
# exercise.sh - does the exerciser of file systems see each damage, and none where there is none?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit
requires pgrep
exercise=$WEIR_BUILD/tests/system/guest/exercise/exercise
files=$work/files
seed=${WEIR_SEED:-$RANDOM}
anew() { rm -rf "$files" && mkdir "$files"; }
said() { grep -q -- "$1" "$work/said" || { cat "$work/said"; fail "'$1' was not said"; }; }
sees() { # WORDS: verify fails and says them
    ! "$exercise" verify "$files" >"$work/said" || fail "verify saw nothing of: $1"
    said "$1"
}

# This machine's own file system is in order, and the same seed does the same.
manifest_of() { anew && "$exercise" run "$files" "$@" >"$work/said" && "$exercise" verify "$files" >>"$work/said"; }
manifest_of 3000 "$seed" 3 256 || { cat "$work/said"; fail "a file system of this machine has lost something"; }
said "^EXERCISED $files 3000 operations: "
said "^VERIFIED $files 24 files manifest="
first=$(sort "$files/manifest")
cp -r "$files" "$work/kept"
manifest_of 3000 "$seed" 3 256
assert_eq "$(sort "$files/manifest")" "$first" "what seed $seed leaves"
manifest_of 3000 $((seed + 1000)) 3 256
[ "$(sort "$files/manifest")" != "$first" ] || fail "another seed leaves the same"

# One byte that is another, one too few, a file that is gone, and one that nobody made.
damage() { rm -rf "$files" && cp -r "$work/kept" "$files" && victim=$files/$(awk '$2 > 4096 {print $3; exit}' "$files/manifest"); }
damage
"$exercise" verify "$files" >/dev/null || fail "a copy of the files is not taken for them"
old=$(od -An -tu1 -j 4000 -N 1 "$victim")
printf "\\$(printf %o $((old ^ 1)))" | dd of="$victim" bs=1 seek=4000 conv=notrunc status=none
sees "^MISMATCH file=$victim size expected=.* hash expected="
damage
truncate -s -1 "$victim"
sees "^MISMATCH file=$victim size expected="
damage
rm "$victim"
sees "^MISMATCH file=$victim: No such file"
damage
echo >"$files/another"
sees "the manifest names 24 files, and there are 25"

# While it runs: it says what was where, and who had written there.
anew
"$exercise" run "$files" 100000000 "$seed" 1 64 >"$work/said" &
run=$!
_pids+=("$run")
wait_until 60 pgrep -P $run
worker=$(pgrep -P $run)
stopped() { [ "$(awk '{print $3}' "/proc/$worker/stat")" = T ]; }
damaged() { # again until it is seen: what comes next may mend it
    ! grep -q "^MISMATCH" "$work/said" || return 0
    kill -STOP "$worker" && wait_until 60 stopped || return 0 # it has seen it, and ended
    for victim in "$files"/0-*; do # no file becomes longer
        [ "$(stat -c %s "$victim")" -lt 6000 ] ||
            printf 'damage' | dd of="$victim" bs=1 seek=5000 conv=notrunc,nocreat status=none
    done
    kill -CONT "$worker"
    false
}
wait_until 60 damaged
! wait $run || fail "the run that was damaged has succeeded"
said "^MISMATCH seed=$seed worker=0 operation=[0-9]* file=$files/0-[0-9]* offset="
said "^  expected [0-9a-f ]*$"
said "^  found    [0-9a-f ]*$"
said "^  operation [0-9]*: .* of bytes [0-9]* to [0-9]*\|^  none of the last"

# What is no number, and a folder that is not there.
for words in "run $files x" "run $files 0" "run $files 5 1x" "run $files 5 1 65" "run $files 5 1 1 4" "run $files" "verify" "walk $files 5"; do
    # shellcheck disable=SC2086 # words
    if "$exercise" $words >"$work/said" 2>&1; then fail "taken: $words"; fi
    said "usage: exercise run FOLDER OPERATIONS"
done
if "$exercise" run "$work/nowhere" 5 >"$work/said" 2>&1; then fail "a folder that is not there was taken"; fi
said "nowhere/manifest: No such file or directory"
