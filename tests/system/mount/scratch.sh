#!/bin/bash
# scratch.sh - do editors' own files stay out of the policies, and in bounds?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_weirfs
nonsense='this is no policy'
for folder in "$mnt/policies" "$mnt/exports/vm1"; do
    for name in .gold.swp gold~ 4913 5036 sedAbCdEf gold.tmp '#gold#' .goutputstream-XYZ gold.new gold.bak; do
        echo "$nonsense" >"$folder/$name"
        is "$folder/$name" "$nonsense"
        echo more >>"$folder/$name"
        assert_eq "$(wc -l <"$folder/$name")" 2
        mv "$folder/$name" "$folder/.other"
        assert_eq "$(stat -c %s "$folder/.other")" 23
        rm "$folder/.other"
    done
done
assert_eq "$(ls -A "$mnt/policies")" "$(printf '%s\n' gold idle)"
# other new names are policies in policies/, and nothing beside an export
refused "Invalid argument" bash -c "echo 'filter = \"bogus\"' >$mnt/policies/4914"
refused "not permitted" bash -c "echo x >$mnt/exports/vm1/notes.txt"
refused "not permitted" bash -c "echo x >$mnt/exports/vm1/filters/.swp"
refused "not permitted" bash -c "echo x >$mnt/.swp"
refused "not permitted" mv "$mnt/exports/vm1/size_bytes" "$mnt/exports/vm1/.old"

# bounds: of one file, of their number, of all of them; what was too much leaves no trace
refused "too large" dd if=/dev/zero of="$mnt/policies/.big" bs=64k count=17
rm "$mnt/policies/.big"
i=0
while : >"$mnt/policies/.n$i"; do i=$((i + 1)); done 2>"$work/full"
assert_eq "$i" 256 "scratch files"
grep -q "No space left" "$work/full" || fail "$(cat "$work/full")"
rm "$mnt"/policies/.n*
i=0
while dd if=/dev/zero of="$mnt/policies/.m$i" bs=1M count=1 2>"$work/full"; do i=$((i + 1)); done
assert_eq "$i" 16 "MiB of scratch files"
grep -q "No space left" "$work/full" || fail "$(cat "$work/full")"
rm "$mnt"/policies/.m*
refused "too large" dd if=/dev/zero of="$mnt/policies/gold" bs=1M count=2
grep -q 'filter = "pass"' "$mnt/policies/gold" || fail "the policy is gone"

# a policy set aside as a backup comes back from it
mv "$mnt/policies/gold" "$mnt/policies/gold~"
[ ! -e "$mnt/policies/gold" ] || fail "gold is still there"
mv "$mnt/policies/gold~" "$mnt/policies/gold"
grep -q 'filter = "pass"' "$mnt/policies/gold" || fail "gold did not come back"

# a process that did not open the file closes its copy: not the end of the text
bash -c "{ cat $work/one; cat $work/two; } >$mnt/policies/gold" 2>/dev/null || true
printf 'filters = ( );\n' >"$work/one"
printf '# the end\n' >"$work/two"
before=$(grep -c "policies/gold was changed" "$mnt/events" || true)
{ cat "$work/one"; cat "$work/two"; } >"$mnt/policies/gold"
assert_eq "$(cat "$mnt/policies/gold")" "$(cat "$work/one" "$work/two")"
assert_eq "$(grep -c "policies/gold was changed" "$mnt/events")" "$((before + 1))" "changes applied"

# blocks that cut words in two
python3 - >"$work/long" <<'PYTHON'
print('filters = (')
print(',\n'.join('  { filter = "pass"; }' for _ in range(2000)))
print(');')
PYTHON
for size in 512 4096; do
    dd if="$work/long" of="$mnt/policies/gold" bs=$size 2>"$work/dd" || fail "$(cat "$work/dd" "$mnt/last_error")"
    cmp "$work/long" "$mnt/policies/gold" || fail "another text"
    echo 'filters = ( );' >"$mnt/policies/gold"
done
