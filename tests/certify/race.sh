#!/bin/bash
# race.sh - is a race found where the thread sanitizer is at work, and said to be one?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
# this report is wanted: it is not among those that continuous integration looks for
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$work/report"
! "$WEIR_BUILD/gateway/certify/weir-certify" --check races --seconds 0 \
    "$WEIR_BUILD/tests/certify/weir-filter-races.so" >"$work/out" || fail "$(cat "$work/out")"
grep -q "^failed  *races .*the thread sanitizer has reported a race" "$work/out" || fail "$(cat "$work/out")"
grep -q "data race" "$work"/report.* || fail "no report: $(ls "$work")"
