#!/bin/bash
# help.sh - do --help and weirfs(8) tell of the same options?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
"$weirfs" --help >"$work/help"
grep -oE '(^| )(--[a-z]+|-[a-zA-Z]\b)' "$work/help" | tr -d ' ' | sort -u >"$work/said"
grep -oE '^=item B<.*' "$WEIR_SOURCE/gateway/weirfs/weirfs.pod" |
    grep -oE '<(--[a-z]+|-[a-zA-Z])\b' | tr -d '<' | sort -u >"$work/written"
[ -s "$work/said" ] || fail "--help names no option"
diff "$work/said" "$work/written" || fail "--help (<) and weirfs(8) (>) differ"
