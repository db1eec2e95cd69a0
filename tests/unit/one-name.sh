#!/bin/bash
# one-name.sh - does each function of a program's libraries have a name of its own?
# SPDX-License-Identifier: BSD-3-Clause
#
# Of two functions of one name in two static libraries the linker takes the first, without a word.
. "$WEIR_SOURCE/tests/lib.sh"
requires nm

names() { nm "$WEIR_BUILD/$1" 2>/dev/null | awk -v lib="$1" '$2 ~ /^[TDBR]$/ { print $3, lib }'; }
libraries='gateway/libweir-core.a gateway/config/libweir-config.a plugins/libweir-stores.a plugins/libweir-vault.a
    filters/replication/common/libweir-replication-common.a filters/cache/libweir-cache-format.a'
for library in $libraries; do
    [ -s "$WEIR_BUILD/$library" ] || fail "there is no $library: this test is to name what weirctl is made of"
    names "$library"
done | sort -u >"$work/names"
[ "$(wc -l <"$work/names")" -gt 500 ] || fail "nm finds hardly a name: the test looks at nothing"
twice=$(awk '{ print $1 }' "$work/names" | grep -v '^_*\(asan\|ubsan\|tsan\)' | sort | uniq -d)
[ -z "$twice" ] || fail "in two libraries: $(grep -wF "$twice" "$work/names")"
