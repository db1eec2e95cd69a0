#!/bin/bash
# drift.sh - is an export non-compliant, with the reason, when it runs another filter than is installed?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq curl
package one
expect 0 filter install "$package"
package two
serve_two
reason() { "$weirctl" --json export show first | jq -r .compliance_reason; }
# drifts SENTENCE: says so everywhere, and serves.
drifts() {
    assert_eq "$(compliance first)" non-compliant
    [[ "$(reason)" == *"$1"* ]] || fail "another reason: $(reason)"
    expect 0 status
    says "first is non-compliant: "
    "$weirctl" metrics | grep -q 'weir_export_compliance{.*export="first".*compliance="non-compliant"} 1' ||
        fail "metrics do not say it: $("$weirctl" metrics | grep compliance)"
    serves first
}
complies() { assert_eq "$(compliance first) $(reason)" "compliant "; }
complies
link=$(readlink "$WEIR_FILTERS/weir-filter-packaged.so")
object=$(readlink -f "$WEIR_FILTERS/weir-filter-packaged.so")

# ---- another file in its place, behind weir's back; the same bytes are no drift
cp "$built/packaged-two.so" "$WEIR_FILTERS/.new" && mv "$WEIR_FILTERS/.new" "$WEIR_FILTERS/weir-filter-packaged.so"
drifts "runs with version 1 as it was loaded"
expect 0 --json filter list
json '[f["drift"] != "" for f in d["filters"] if f["name"] == "packaged"] == [True]'
cp "$built/packaged-one.so" "$WEIR_FILTERS/.new" && mv "$WEIR_FILTERS/.new" "$WEIR_FILTERS/weir-filter-packaged.so"
complies
# ---- no file
rm "$WEIR_FILTERS/weir-filter-packaged.so"
drifts "is gone: install it again"
ln -s "$link" "$WEIR_FILTERS/weir-filter-packaged.so"
complies
# ---- a file, or a manifest, that was changed where it lies
cp "$object" "$work/object"
printf x >>"$object"
drifts "is another file now"
expect 4 filter verify packaged
says "does not match its manifest"
cp "$work/object" "$object"
complies
sed -i.kept 's/sha256 = "./sha256 = "0/; s/sha256 = "0\(.*\)"/sha256 = "0\1"/' "${object%/*}/manifest"
sed -i 's/size = [0-9]*/size = 7/' "${object%/*}/manifest"
drifts "does not match its manifest any more"
mv "${object%/*}/manifest.kept" "${object%/*}/manifest"
complies

# ---- an upgrade that was not applied, as by a weirctl that was killed: said, and made good
"$weirctl" --run="$work/nobody" filter upgrade "$package" >/dev/null
drifts "runs with version 1 as it was loaded"
assert_eq "$(runs first)" 1
expect 0 filter upgrade packaged
says "first: 1 to 2"
assert_eq "$(runs first) $(runs second)" "2 2"
complies
