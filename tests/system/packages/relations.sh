#!/bin/bash
# relations.sh - does a filter come, change and go only as those that it requires, and conflicts with, allow?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq
# base VERSION: sets $package to one of the filter "base".
base() {
    cp "$built/packaged-base-$1.so" "$work/pack/weir-filter-base.so"
    (cd "$work/pack" && "$weirctl" filter pack weir-filter-base.so --vendor="Example Ltd" >/dev/null)
    package=$work/pack/base-$1.tar.zst
}
# strict ARGUMENTS…: as package one, apart from the one that asks for nothing; sets $strict.
strict() { package one "$@"; strict=$work/strict.tar.zst; mv "$package" "$strict"; }
tree() { (cd "$WEIR_FILTERS" && find . -path ./packages -prune -o -print | sort | xargs ls -ld --time-style=+ | awk '{print $1, $NF}'; find packages -type f | sort); }
# refused SENTENCE COMMAND…: which changes nothing.
refused() {
    local sentence=$1 before; shift
    before=$(tree)
    expect 4 "$@"
    complains "$sentence"
    assert_eq "$(tree)" "$before" "what is installed changed"
}

# ---- what a package says, and what it cannot
strict --requires=base:1.9 --conflicts=pass
tar --zstd -xOf "$strict" manifest >"$work/manifest"
grep -qF '{ filter = "base"; version = "1.9"; }' "$work/manifest" && grep -qF '{ filter = "pass"; }' "$work/manifest" || fail "$(cat "$work/manifest")"
for wrong in --requires=../base --requires=base: --requires=base:1:2 --conflicts=a,,b; do
    expect 2 filter pack "$work/pack/weir-filter-packaged.so" $wrong
    complains "is not FILTER"
done
expect 4 filter pack "$work/pack/weir-filter-packaged.so" --conflicts=packaged
complains 'filter "packaged" names itself'
expect 4 filter pack "$work/pack/weir-filter-packaged.so" --requires=a,b,c,d,e,f,g,h,i
complains "names more than 8 filters"
base 1; base_1=$package
base 1.10; base_2=$package
package one; one=$work/one.tar.zst; mv "$package" "$one"

# ---- required: installed first, and new enough (1.10 is newer than 1.9)
refused "$strict: the manifest, line 8: it requires filter \"base\", version 1.9 or newer, which is not installed" filter install "$strict"
complains '"weirctl filter install" that first'
expect 0 filter install "$base_1"
refused 'version 1.9 or newer, and version 1 is installed: "weirctl filter upgrade" that first' filter install "$strict"
expect 0 filter install "$one"
refused 'version 1.9 or newer, and version 1 is installed' filter upgrade "$strict"
expect 0 filter upgrade "$base_2"
expect 0 filter upgrade "$strict"

# ---- … and stays as it is required
required=$(readlink -f "$WEIR_FILTERS/weir-filter-packaged.so")
required=${required%/*}/manifest
refused "version 1 of filter \"base\" is too old for what is installed: filter \"packaged\" requires filter \"base\", version 1.9 or newer ($required, line 8)" filter upgrade "$base_1"
refused "filter \"base\" is required: filter \"packaged\" requires filter \"base\", version 1.9 or newer ($required, line 8): remove that first" filter remove base
expect 4 --json filter remove base
json 'd["error"]["errno"] == "EBUSY"'
expect 0 filter remove packaged
expect 0 filter remove base

# ---- what comes with weir, of no package, can be required as well
strict --requires=pass,fault:0.0.1
expect 0 filter install "$strict"
package two --requires=pass:999
refused 'it requires filter "pass", version 999 or newer, and version' filter upgrade "$package"
expect 0 filter remove packaged

# ---- conflicts: both may be installed, and no chain has both
conflict='filter "pass" may not be in one chain with filter "packaged" of line 2, as the package of "packaged" (version 1 by Example Ltd) says: remove one of them'
strict --conflicts=pass
expect 0 filter install "$strict"
serve_two
printf 'name = "with";\nfilters = ( { filter = "packaged"; },\n  { filter = "pass"; } );\n' >"$work/both.conf"
refused "$conflict" policy set with "$work/both.conf"
complains ":3:"
assert_eq "$("$weirctl" --json export show first | jq -c '[.filters[].name]')" '["packaged"]'
cp "$work/weir.conf" "$work/other.conf"
sed -i 's/"policies.d"/"other.d"/' "$work/other.conf"
mkdir "$work/other.d"
cp "$work/both.conf" "$work/other.d/with.conf"
expect 4 check "$work/other.conf"
complains "other.d/with.conf:3:14: error: $conflict"

# ---- and who comes to a chain that has both is refused: another version, the same with another manifest, or for want of which
# the disks are locked
package two
expect 0 filter upgrade "$package"
expect 0 policy set with "$work/both.conf"
refused 'policies.d/with.conf:3:' filter upgrade "$strict"
complains "$conflict"
package two --conflicts=pass
refused 'policies.d/with.conf:3:' filter upgrade "$package"
assert_eq "$(runs first) $(compliance first) $(compliance second)" "2 compliant compliant"
expect 0 filter upgrade "$one" # as nobody would know of a conflict any more
expect 0 policy set with "$work/both.conf"
stop_gateway
expect 0 filter remove packaged
serve
assert_eq "$("$weirctl" --json export show first | jq -r .state)" locked
refused 'policies.d/with.conf:3:' filter install "$strict"
expect 0 filter install "$one"
is_active() { [ "$("$weirctl" --json export show "$1" | jq -r .state)" = active ]; }
wait_until 60 is_active first
wait_until 60 is_active second
