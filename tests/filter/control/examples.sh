#!/bin/bash
# examples.sh - do the examples of weir-control(1) work, as they are written?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/mount/mount.sh" || exit
requires python3
page=$WEIR_SOURCE/filters/control/weir-control.pod
python3 "$WEIR_SOURCE/tests/docs/verbatim.py" "$page" "$work/shown"
mkdir "$work/policies.d"
echo 'name = "p"; filters = ( { filter = "control"; } );' >"$work/policies.d/p.conf"
cat >"$work/weir.conf" <<END
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "vm1"; datastore = "m"; size = "16M"; policy = "p"; } );
include_policies = "policies.d";
END
start_gateway "$work/weir.conf"
start_weirfs

# ---- entries of a policy: each is taken, and each of its options is what it says
entries=0
for shown in "$work"/shown/*; do
    grep -qE '^(filters = \( )?\{ filter = "control"' "$shown" || continue
    entry=$(sed 's/^filters = ( //; s/ );$//' "$shown")
    printf 'name = "p"; filters = ( %s );\n' "$entry" >"$work/new.conf"
    "$weirctl" policy set p "$work/new.conf" || fail "refused: $entry"
    # shellcheck disable=SC2001
    sed 's/^{ filter = "control"; //; s/ *}$//; s/; */\n/g' <<<"$entry" | while IFS='= ' read -r option value; do
        [ -n "$option" ] || continue
        is=$("$weirctl" export option vm1 control "$option")
        value=${value//\"/}
        [ "$is" = "$value" ] || [ "$is" = "${value%000}k" ] || fail "$entry: $option is $is"
        touch "$work/tried.$option"
    done
    entries=$((entries + 1))
done
[ $entries -ge 9 ] || fail "only $entries examples"
for option in $("$weirctl" filter describe control --json |
    python3 -c 'import json, sys; print(*(o["name"] for o in json.load(sys.stdin)["options"]))'); do
    [ -e "$work/tried.$option" ] || fail "no example for $option"
done

# ---- commands
commands=0
while read -r command; do
    PATH=$(dirname "$weirctl"):$PATH bash -ec "${command//\/run\/weir\/fs/$mnt}" || fail "$command"
    commands=$((commands + 1))
done < <(cat "$work"/shown/* | sed -n 's/^\$ //p')
[ $commands -ge 3 ] || fail "only $commands commands"
assert_eq "$("$weirctl" export option vm1 control shares)" high "what the page's echo wrote"
assert_eq "$("$weirctl" export option vm1 control iops)" max "what the page's weirctl set"
