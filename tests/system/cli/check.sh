#!/usr/bin/env bash
# check.sh - does weirctl check find what a gateway would refuse, without one?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"

cat >"$work/good.conf" <<EOF
datastores = ( { name = "ram"; type = "memory"; } );
exports = ( { name = "vm1"; datastore = "ram"; size = "1M"; policy = "p"; } );
include_policies = "policies.d";
EOF
mkdir "$work/policies.d"
printf 'name = "p";\nfilters = ( { filter = "pass"; } );\n' >"$work/policies.d/p.conf"
expect 0 check "$work/good.conf" "$work/policies.d/p.conf"
assert_eq "$out$err" ""
expect 0 --json check "$work/good.conf"
json 'd == {"mistakes": []}'

# ---- every mistake of every file, with its place, and exit code 4
printf 'name = "p";\nfilters = ( { filter = "pas"; } );\n' >"$work/policy.conf"
sed 's/"1M"/"1X"/' "$work/good.conf" >"$work/bad.conf"
expect 4 check "$work/policy.conf" "$work/bad.conf"
assert_eq "$out" "" "mistakes are on stdout"
complains "$work/policy.conf:2:"
complains "$work/bad.conf:2:"
complains '"pass"'
complains '1X'
assert_eq "$(grep -c ': error: ' <<<"$err")" 2
expect 4 check --json "$work/policy.conf" "$work/bad.conf"
json '[(m["file"].rsplit("/", 1)[1], m["line"]) for m in d["mistakes"]] == [("policy.conf", 2), ("bad.conf", 2)]'
json 'all(m["column"] > 0 and m["message"] and m["word"] for m in d["mistakes"])'

# ---- a file that is not there; other filters elsewhere
expect 3 check "$work/none.conf"
complains "$work/none.conf"
expect 3 --json check "$work/none.conf"
json 'len(d["mistakes"]) == 1'
mkdir "$work/empty"
expect 4 --filters="$work/empty" check "$work/policies.d/p.conf"
expect 2 check
