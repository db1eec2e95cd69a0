#!/bin/bash
# tree.sh - is every file of all gateways there, and can it be read?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1 twin
start_fake b vm2 twin
start_weirfs

# everything that find sees can be read, and says something or is one that may be empty
find "$mnt" -type f >"$work/files"
[ "$(wc -l <"$work/files")" -ge 29 ] || fail "only $(wc -l <"$work/files") files"
while read -r f; do
    cat "$f" >"$work/text" || fail "$f cannot be read"
    [ -s "$work/text" ] || [ "$f" = "$mnt/last_error" ] || fail "$f is empty"
done <"$work/files"

is "$mnt/exports/vm1/size_bytes" 1048576
is "$mnt/gateways/a/state" running
is "$mnt/gateways/b/state" running
assert_eq "$(ls "$mnt")" "$(printf '%s\n' datastores events exports filters gateways last_error metrics policies)"
# a name of two gateways would be the wrong disk for one of them
assert_eq "$(ls "$mnt/exports")" "$(printf '%s\n' twin@a twin@b vm1 vm2)"
[ ! -e "$mnt/exports/twin" ] || fail "an ambiguous name is there"
is "$mnt/exports/twin@b/size_bytes" 1048576
# one that is alone may be told with its gateway, too
is "$mnt/exports/vm1@a/size_bytes" 1048576
# a filter's users are those of all gateways
assert_eq "$(sort "$mnt/filters/pass/exports")" "$(printf '%s\n' twin twin vm1 vm2)"

assert_eq "$(stat -c %A "$mnt/exports/vm1/size_bytes")" -r--r-----
assert_eq "$(stat -c %A "$mnt/policies/gold")" -rw-r-----
assert_eq "$(stat -c %a "$mnt/policies" "$mnt/exports" "$mnt/exports/vm1")" "$(printf '750\n550\n750')"
# the owner is whose the control socket is
if [ "$(id -u)" = 0 ]; then
    chown 12:34 "$WEIR_RUN/ctl/a.sock"
    assert_eq "$(stat -c %u:%g "$mnt/exports/vm1/size_bytes")" 12:34
    assert_eq "$(stat -c %u:%g "$mnt/exports/vm2/size_bytes")" 0:0
fi
# editors need the size of a policy, everything else is read to its end
assert_eq "$(stat -c %s "$mnt/policies/gold")" "$(wc -c <"$mnt/policies/gold")"
assert_eq "$(stat -c %s "$mnt/exports/vm1/size_bytes")" 0

# whatever reads to the end reads everything, though the size says 0
f=$mnt/exports/vm1/size_bytes
cp "$f" "$work/copy"
for reader in "cat $work/copy" "cat $f" "dd if=$f status=none" "tail -n 1 $f" "tail -c 100 $f" "head -n 1 $f" \
    "grep . $f" "sed -n p $f" "awk 1 $f" "sort $f" "perl -pe1 $f"; do
    assert_eq "$($reader)" 1048576 "$reader"
done
assert_eq "$(wc -c <"$f")" 8

refused "No such file" cat "$mnt/exports/nope/state"
refused "No such file" cat "$mnt/nope"
refused "Permission denied" bash -c "echo 1 >$mnt/exports/vm1/size_bytes"
refused "not permitted" bash -c "echo 1 >$mnt/exports/vm1/no-such-file"
refused "not permitted" rm "$mnt/exports/vm1/size_bytes"
refused "" mkdir "$mnt/policies/folder"

# a gateway that comes is seen at once, one that ends is gone
start_fake c vm3
is "$mnt/exports/vm3/size_bytes" 1048576
stop_pid "$fake_pid"
rm "$WEIR_RUN/ctl/c.sock"
[ ! -e "$mnt/exports/vm3" ] || fail "exports/vm3 is still there"
[ ! -e "$mnt/gateways/c" ] || fail "gateways/c is still there"
