#!/bin/bash
# pods.sh - is every manual page sound, built, and does each link lead somewhere?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires podchecker man

cd "$WEIR_SOURCE"
mapfile -t pods < <(find gateway filters plugins -name '*.pod' ! -path '*/example/*')
[ ${#pods[@]} -gt 0 ] || fail "there are no manual pages"
for pod in "${pods[@]}"; do
    said=$(podchecker -warnings "$pod" 2>&1) || fail "$said"
    ! grep -q 'WARNING' <<<"$said" || fail "$said"
    name=$(basename "$pod" .pod)
    page=$(find "$WEIR_BUILD/gateway/manual" -name "$name.[1-8]")
    [ -n "$page" ] || fail "$pod is not built; run meson setup --reconfigure"
    # what the tables put in must be sound as well
    said=$(podchecker -warnings "$page.pod" 2>&1) || fail "$said"
    ! grep -q '^=for weir' "$page.pod" || fail "$pod: a table that nobody fills in"
    warnings=$(MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
    assert_eq "$warnings" "" "$page"
done

# L<name(section)> of a page of ours names one that is built, with the right section
for pod in "${pods[@]}"; do
    grep -oE 'L<(weir|nbdkit-weir)[a-z.-]*\([1-8]\)' "$pod" | sed 's/^L<//' | sort -u |
        while IFS='()' read -r name section; do
            [ -f "$WEIR_BUILD/gateway/manual/$name.$section" ] ||
                fail "$pod refers to $name($section), which is not there"
        done
done

# weir-filter(3) leaves nothing of the public header out
header=gateway/weir-filter.h
{
    grep -oE '\bweir_[a-z_]+\(' "$header" | tr -d '('
    grep -oE '\bWEIR_(OPTION|STAT)_[A-Z]+' "$header"
    grep -oE '^    WEIR_[A-Z_]+ *= 1u <<' "$header" | grep -oE 'WEIR_[A-Z_]+'
} | sort -u | grep -vxE 'weir_bucket' | while read -r word; do
    grep -q "$word" gateway/weir-filter.pod || fail "weir-filter(3) does not mention $word"
done
