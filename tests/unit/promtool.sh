#!/bin/bash
# promtool.sh - does Prometheus accept the metrics, names, types, units and all?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires promtool

"$WEIR_BUILD/tests/unit/test-control-metrics" print >"$work/metrics"
[ "$(grep -c '^weir_' "$work/metrics")" -gt 200 ] || fail "there are too few metrics"
promtool check metrics <"$work/metrics" >"$work/said" 2>&1 || fail "$(cat "$work/said")"
[ ! -s "$work/said" ] || fail "$(cat "$work/said")"

# the check can fail
{ cat "$work/metrics"; echo 'weir_lag_ms{export="vm1"} 1'; } >"$work/bad"
! promtool check metrics <"$work/bad" >/dev/null 2>&1 || fail "promtool takes anything"
