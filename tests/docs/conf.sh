#!/bin/bash
# conf.sh - does weirctl check accept every configuration that weir ships or shows?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
[ -x "$weirctl" ] || skip "needs weirctl"
requires python3

check() { # FILE WHAT
    local said
    said=$("$weirctl" check "$1" 2>&1) || fail "$2: $said
$(cat "$1")"
}

count=0
while read -r file; do
    check "$file" "$file"
    count=$((count + 1))
done < <(find "$WEIR_SOURCE/conf" -name '*.conf' ! -path '*/exports.d/*')
[ "$count" -ge 8 ] || fail "only $count files were found"
# exports.d is read through the main file: a mistake in it must be seen, or that proves nothing
cp -r "$WEIR_SOURCE/conf" "$work/conf"
sed -i 's/"10G"/"ten"/' "$work/conf/exports.d/example.conf"
! "$weirctl" check "$work/conf/weir.conf" >/dev/null 2>&1 || fail "exports.d is not checked"

# What the manual shows: a policy, a policy's filters, or one entry of them.
shown=0
for pod in $(find "$WEIR_SOURCE"/{gateway,filters,plugins} -name '*.pod' ! -path '*/example/*'); do
    page=$(basename "$pod" .pod)
    [ "$page" != weir-filter ] || continue # filter-example.sh builds what it shows
    python3 "$WEIR_SOURCE/tests/docs/verbatim.py" "$pod" "$work/$page"
    for block in "$work/$page"/*; do
        first=$(grep -vE '^#|^$' "$block" | head -1)
        case $first in
        "name ="* | "datastores ="*) cp "$block" "$block.conf" ;;
        "exports ="*) cat - "$block" >"$block.conf" ;;
        "filters ="*) { echo 'name = "shown";'; cat "$block"; } >"$block.conf" ;;
        "{ filter ="*)
            { echo 'name = "shown"; filters = ('; sed 's/^}$/},/; s/ }$/ },/' "$block"; echo '{ filter = "pass"; } );'; } >"$block.conf" ;;
        *) continue ;;
        esac <<REST
datastores = ( { name = "local"; type = "file"; path = "$work"; } );
include_policies = "$WEIR_SOURCE/conf/policies.d";
$(grep -q '^pools =' "$block" || echo 'pools = ( { name = "ssd"; path = "/fast/weir.pool"; size = "64G"; } );')
REST
        check "$block.conf" "$page shows"
        shown=$((shown + 1))
    done
done
echo "$count files, $shown examples"
[ "$shown" -gt 0 ] || fail "no example was found"
