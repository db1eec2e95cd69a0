#!/bin/bash
# command.sh - what does weir-certify say of its own command line, and is a seed repeated?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
certify=$WEIR_BUILD/gateway/certify/weir-certify
pass=$WEIR_BUILD/filters/weir-filter-pass.so

refused() { # SENTENCE WORDS…
    local sentence=$1 status=0
    shift
    "$certify" "$@" >"$work/out" 2>"$work/said" || status=$?
    assert_eq $status 2 "$*"
    grep -qF -- "$sentence" "$work/said" || fail "$*: $(cat "$work/said")"
}
refused "usage:"
refused 'did you mean "data"' --check dta "$pass"
refused "expected NAME=" --option mode "$pass"
refused "expected PATH,SIZE" --pool p=pool "$pass"
refused "--seconds much" --seconds much "$pass"
refused "--seed -1" --seed -1 "$pass"
refused "No such file" "$work/weir-filter-none.so"
cp "$pass" "$work/pass.so"
refused "is called weir-filter-NAME.so" "$work/pass.so"

# one that is none fails its first check, and nothing else is said of it
echo "not a shared object" >"$work/weir-filter-none.so"
! "$certify" "$work/weir-filter-none.so" >"$work/out" || fail "a text is certified"
grep -q "^failed  *load .*cannot load filter" "$work/out" || fail "$(cat "$work/out")"
grep -q "^0 passed, 1 failed" "$work/out" || fail "$(cat "$work/out")"
# values beyond the range of an option, an option that a filter does not have, and one that it needs
for value in 2 -1 much; do
    ! "$certify" --option "rate=$value" "$WEIR_BUILD/filters/weir-filter-fault.so" >"$work/out" || fail "a rate of $value is taken"
    grep -q "^failed  *load .*its options are refused: \"$value\" is .*option \"rate\" takes" "$work/out" || fail "$(cat "$work/out")"
done
! "$certify" --option colour=red "$pass" >"$work/out" || fail "a colour is taken"
grep -q "colour" "$work/out" || fail "$(cat "$work/out")"
! "$certify" "$WEIR_BUILD/filters/weir-filter-cache.so" >"$work/out" || fail "a cache without a pool"
grep -q -- "--option pool=VALUE" "$work/out" || fail "$(cat "$work/out")"

"$certify" --list | grep -q "^crash " || fail "no list"
"$certify" --check data --seed 7 --json "$pass" >"$work/json"
grep -q '"seed":7' "$work/json" || fail "$(cat "$work/json")"
grep -q "\"sha256\":\"$(sha256sum <"$pass" | cut -d' ' -f1)\"" "$work/json" || fail "$(cat "$work/json")"

# the same seed finds the same byte
broken=$WEIR_BUILD/tests/certify/weir-filter-corrupts-edge.so
! "$certify" --check data --seed 7 "$broken" | grep ^failed >"$work/first" || true
! "$certify" --check data --seed 7 "$broken" | grep ^failed >"$work/second" || true
cmp "$work/first" "$work/second" || fail "another byte: $(cat "$work/first" "$work/second")"
grep -q "was written" "$work/first" || fail "$(cat "$work/first")"

# the examples of the manual, with less patience
filters=$WEIR_BUILD/filters
"$certify" --seconds 0 "$filters/weir-filter-pass.so" >"$work/out" || fail "$(cat "$work/out")"
"$certify" --check crash --seconds 0 --seed 7 "$filters/weir-filter-pass.so" >"$work/out" || fail "$(cat "$work/out")"
"$certify" --check data --seconds 0 --pool p=pool,64M --option pool=p --html "$work/report.html" \
    "$filters/weir-filter-cache.so" >"$work/out" || fail "$(cat "$work/out")"
grep -q "<h1>cache: 2 passed, 0 failed" "$work/report.html" || fail "the page: $(cat "$work/report.html")"
