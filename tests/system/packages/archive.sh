#!/bin/bash
# archive.sh - can a package that somebody made up reach outside of itself, or anything at all?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq python3 zstd
package one
mkdir "$work/bad" "$WEIR_FILTERS/packages" # which is made for the lock
python3 "$here/packages/archives.py" "$package" "$work/bad"
listed() { find "$WEIR_FILTERS" -mindepth 1 | sort; }
listed >"$work/before"
count=0
for bad in "$work"/bad/*.tar; do
    name=$(basename "$bad" .tar)
    zstd -q "$bad" -o "$work/bad/$name.tar.zst"
    expect 4 filter install "$work/bad/$name.tar.zst"
    complains "$(cat "$work/bad/$name.says")"
    expect 4 filter verify "$work/bad/$name.tar.zst"
    count=$((count + 1))
done
((count >= 20)) || fail "only $count archives"
head -c 300 "$package" >"$work/bad/cut.tar.zst"
expect 4 filter install "$work/bad/cut.tar.zst"
gzip -c "$bad" >"$work/bad/gzip.tar.zst"
expect 4 filter install "$work/bad/gzip.tar.zst"
complains "this is no package"
mkfifo "$work/bad/pipe.tar.zst"
expect 4 filter install "$work/bad/pipe.tar.zst"
expect 3 filter install "$work/bad/none.tar.zst"
listed | diff - "$work/before" || fail "something was installed"
[ ! -e "$work/escaped" ] && [ ! -e /tmp/weir-escaped ] || fail "something was written outside"
echo "$count archives, none taken"
