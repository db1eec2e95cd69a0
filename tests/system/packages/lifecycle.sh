#!/bin/bash
# lifecycle.sh - does a filter come, change, and go, as a package, with what each command says?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq
package one; one=$package
package two; two=$package
printf '=head1 NAME\n' >"$work/pack/weir-packaged.1"

# ---- a package, and the same again: the same bytes
(cd "$work/pack" && cp "$built/packaged-one.so" weir-filter-packaged.so &&
    "$weirctl" filter pack weir-filter-packaged.so weir-packaged.1 --vendor="Example Ltd")
[ -f "$work/pack/packaged-1.tar.zst" ] || fail "no package"
cp "$work/pack/packaged-1.tar.zst" "$work/once"
(cd "$work/pack" && "$weirctl" --json filter pack weir-filter-packaged.so weir-packaged.1 --vendor="Example Ltd" |
    jq -e '.package == "packaged-1.tar.zst" and .version == "1" and (.signed | not)' >/dev/null) || fail "pack says otherwise"
cmp "$work/once" "$work/pack/packaged-1.tar.zst" || fail "the same files make another package"
assert_eq "$(tar --zstd -tf "$work/once" | tr '\n' ' ')" "manifest weir-filter-packaged.so weir-packaged.1 "
tar --zstd -xOf "$work/once" manifest >"$work/manifest"
grep -q 'vendor = "Example Ltd";' "$work/manifest"

# ---- without a gateway
expect 0 filter verify "$work/once"
says "Example Ltd"
expect 3 filter upgrade "$one"
complains "is not installed"
expect 0 --json filter install "$work/once"
json 'd["version"] == "1" and d["signed_by"] == "" and d["exports"] == []'
expect 0 filter list
says packaged
says "Example Ltd"
expect 0 --json filter list
json '[f["vendor"] for f in d["filters"] if f["name"] == "packaged"] == ["Example Ltd"]'
expect 0 filter install "$work/once" # again: it is
expect 0 filter verify packaged
says good
expect 0 filter verify
page=$(readlink -f "$WEIR_FILTERS/weir-filter-packaged.so")
[ -f "${page%/*}/weir-packaged.1" ] || fail "the manual page is not there"

# ---- with one
serve_two
assert_eq "$(runs first)" 1
expect 4 filter install "$two"
complains "version 1 by Example Ltd"
expect 0 filter upgrade "$two"
says "first: 1 to 2, paused"
says "second: 1 to 2, paused"
says "the longest pause was"
assert_eq "$(runs first) $(runs second)" "2 2"
assert_eq "$(installed)" 2
expect 0 filter upgrade packaged # what is installed: nothing to do
assert_eq "$(compliance first)" compliant
grep -rq . "$work/filters/packages/packaged" # and the former version stays for who wants it back
expect 0 --json filter upgrade "$work/once"
json '[(e["gateway"], e["export"], e["from"], e["to"]) for e in d["exports"]] == [("main", "first", "2", "1"), ("main", "second", "2", "1")]'

# ---- a gateway that starts again finds the same
stop_gateway
serve
assert_eq "$(runs first)" 1

# ---- it goes when nobody names it, not before
expect 4 filter remove packaged
complains "exports first, second; policies with"
expect 4 --json filter remove packaged
json 'd["error"]["errno"] == "EBUSY" and "exports first, second; policies with" in d["error"]["message"]'
assert_eq "$(runs first)" 1
printf 'name = "with";\nfilters = ();\n' | "$weirctl" policy set with -
expect 0 --json filter remove packaged
json 'd == {"removed": "packaged", "version": "1"}'
[ ! -e "$WEIR_FILTERS/weir-filter-packaged.so" ] && [ ! -e "$WEIR_FILTERS/packages/packaged" ] || fail "it is still there"
expect 3 filter remove packaged
expect 3 filter remove packagd
printf 'name = "with";\nfilters = ( { filter = "packaged"; } );\n' >"$work/with.conf"
expect 4 policy set with "$work/with.conf" # the gateway does not have it any more, either
complains 'there is no filter "packaged"'

# ---- an export that waits for a filter opens when that is installed
stop_gateway
policy with '{ filter = "packaged"; }'
serve
assert_eq "$("$weirctl" --json export show first | jq -r .state)" locked
expect 0 filter install "$one"
is_active() { [ "$("$weirctl" --json export show "$1" | jq -r .state)" = active ]; }
wait_until 60 is_active first
wait_until 60 is_active second
assert_eq "$(runs second)" 1
