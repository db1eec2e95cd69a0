#!/bin/bash
# policy.sh - is a filter certified as a policy has it: with its options, among its company?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires jq
certify=$WEIR_BUILD/gateway/certify/weir-certify filters=$WEIR_BUILD/filters

# certified POLICY FILTER WORDS…: the report is in $work/said; the status is weir-certify's
certified() {
    local policy=$1 filter=$2
    shift 2
    "$certify" --policy "$policy" --seconds 0 --json "$@" "$filters/weir-filter-$filter.so" >"$work/said"
}
# reason CHECK
reason() { jq -r --arg check "$1" '.checks[] | select(.name == $check).reason' "$work/said"; }
# refused SENTENCE POLICY FILTER
refused() {
    ! certified "$2" "$3" || fail "$2 will do for $3"
    [[ $(reason load) == *"$1"* ]] || fail "$3 with $2: $(reason load)"
}

cat >"$work/cached.conf" <<'END'
on_filter_failure = "bypass";
filters = ( { filter = "control"; },
            { filter = "cache"; pool = "p"; },
            { filter = "inspection"; label = "eye"; } );
END
pool=(--pool "p=pool,64M")
certified "$work/cached.conf" inspection "${pool[@]}" || fail "inspection over a cache: $(jq -r '.checks[].reason' "$work/said")"
assert_eq "$(jq -r .policy "$work/said")" "$work/cached.conf" "the policy in the report"
# between others, whose labels are theirs; what is said here counts more than the policy
certified "$work/cached.conf" cache "${pool[@]}" --option mode=write-back --check data --check drain --check options ||
    fail "a cache between two: $(jq -r '.checks[].reason' "$work/said")"

refused 'has no filter "pass"' "$work/cached.conf" pass
refused "cannot be read: No such file" "$work/none.conf" pass
echo 'filters = ( { filter = "cache"; pol = "p"; } );' >"$work/wrong.conf"
refused 'wrong.conf:1:33: filter "cache": there is no option "pol"; did you mean "pool"?' "$work/wrong.conf" cache
echo 'filters = ( { filter = "fault"; delay = "1y"; } );' >"$work/wrong.conf"
refused '"1y" is not a time' "$work/wrong.conf" fault
echo 'filters = ( { filter = "none-such"; } );' >"$work/wrong.conf"
refused 'none-such' "$work/wrong.conf" pass

# the options are the policy's …
echo 'filters = ( { filter = "fault"; ops = "write"; error = "EIO"; } );' >"$work/broken.conf"
! certified "$work/broken.conf" fault --check order || fail "a filter that refuses all writes is certified"
certified "$work/broken.conf" fault --check order --option error=none || fail "$(reason order)"
# … and the company is at work: a disk below that loses writes is found out
echo 'filters = ( { filter = "pass"; }, { filter = "fault"; ops = "write"; lose = true; } );' >"$work/lossy.conf"
! certified "$work/lossy.conf" pass --check data || fail "a disk that loses writes passes"
[[ $(reason data) == *"was written"* ]] || fail "$(reason data)"
