#!/bin/bash
# filter-project.sh - is the example filter a project of its own, that builds without a warning
# and does what its page says?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires gcc clang nbdsh fusermount3 man
[ -r /dev/fuse ] || skip "needs /dev/fuse"
. "$WEIR_SOURCE/tests/docs/installed.sh"

[ "$(wc -l <"$WEIR_SOURCE/filters/example/meson.build")" -le 20 ] || fail "its meson.build has more than 20 lines"
cp -r "$installed/share/doc/weir/examples/retry" "$work/retry"
cd "$work/retry"
for cc in clang gcc; do # the last one is tested
    rm -rf build
    CC=$cc meson setup -Dwerror=true -Dwarning_level=3 build >"$work/setup.log"
    ninja -C build >"$work/$cc.log" || fail "the example does not build with $cc"
done
man -l build/weir-retry.1 | grep -q 'give_up (time, .*default 20s; live)' || fail "its page has no table of options"
! grep -E '\bretry\b' "$WEIR_SOURCE/filters/meson.build" | grep -q foreach || fail "it is part of our own build"

unset WEIR_FILTERS WEIR_RUN WEIR_STATE # as on a machine where there is nothing of ours but what is installed
meson test -C build >"$work/test.log" || { cat build/meson-logs/testlog.txt; fail "its own test fails"; }
grep -q '^Ok: *1 *$' "$work/test.log" || fail "its own test has not run"

DESTDIR=$work/root meson install -C build --no-rebuild --quiet
find "$work/root" -path '*/weir/filters/weir-filter-retry.so' | grep -q . || fail "it is not installed beside ours"
