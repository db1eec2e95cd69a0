#!/bin/bash
# clients-exports.sh - does a client get the export that it names, and nothing else?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdinfo nbdcopy qemu-io jq
needs_weir

names=(plain UPPER upper x.y.z under_score 0 9-lives tenant/disk "$(printf 'long%.0s' {1..30})")
for i in "${!names[@]}"; do
    _exports+=("{ name = \"${names[i]}\"; datastore = \"disks\"; image = \"image$i\"; size = \"$((i + 1))M\";
                  description = \"number $i\"; }")
done
disk fixed 1M '' 'read_only = true;'
printf 'never changes' | dd of="$disks/fixed" conv=notrunc status=none
serve

encoded() { jq -rn --arg name "$1" '$name | @uri'; }
refuses() { # WORDS COMMAND…: fails, and says WORDS
    local words=$1
    shift
    if "$@" >"$work/refused.log" 2>&1; then fail "not refused: $*"; fi
    grep -qi -- "$words" "$work/refused.log" || { cat "$work/refused.log"; fail "'$words' was not said"; }
}

# Each name reaches its own disk.
for i in "${!names[@]}"; do
    at=$(uri "$(encoded "${names[i]}")")
    assert_eq $(((i + 1) << 20)) "$(nbdinfo --size "$at")" "size of '${names[i]}'"
    qemu-io -f raw "$at" -c "write -P $((i + 1)) 0 64k" -c flush >/dev/null
done
for i in "${!names[@]}"; do
    assert_eq "$i" "$(($(od -An -tu1 -N1 "$disks/image$i") - 1))" "first byte of '${names[i]}'"
done

# The list names all of them, with their descriptions, and opening is not needed for that.
nbdinfo --list --json "$(uri)" >"$work/list.json"
for i in "${!names[@]}"; do
    jq -e --arg name "${names[i]}" --arg said "number $i" \
        'any(.exports[]; ."export-name" == $name and .description == $said)' "$work/list.json" >/dev/null ||
        fail "'${names[i]}' is not in the list"
done
assert_eq $((${#names[@]} + 1)) "$(jq '.exports | length' "$work/list.json")" "exports in the list"

# A read-only export says so, and refuses who does not listen.
nbdinfo --json "$(uri fixed)" | jq -e '.exports[0]."is_read_only"' >/dev/null || fail "fixed is not read-only"
refuses 'read-only\|permi' qemu-io -f raw "$(uri fixed)" -c 'write 0 512'
/usr/bin/python3 - "$sock" <<'END'
import errno, sys
import nbd
client = nbd.NBD()
client.set_export_name("fixed")
client.set_strict_mode(0)
client.connect_unix(sys.argv[1])
for name, arguments in [("pwrite", (b"x" * 512, 0)), ("zero", (512, 0)), ("trim", (512, 0))]:
    try:
        getattr(client, name)(*arguments)
    except nbd.Error as error:
        assert error.errnum == errno.EPERM, error
    else:
        raise AssertionError(f"{name} was not refused")
assert client.pread(13, 0) == b"never changes"
client.flush()
END

# Who names nothing gets nothing here: there are many exports and none is called default.
for name in '' nobody tenant 'with space' 'ä€' '100%' '../weir.conf' 'plain/' 'Plain' 'plain;' '%00'; do
    refuses 'no export\|No such file' nbdinfo --size "$(uri "$(encoded "$name")")"
done
stop_gateway

# One export is the default; of several, the one with that name.
default_of() { # NAME… serves these and prints the size of what "" is
    rm -f "$work/weir.conf"
    _exports=()
    local size=1 name
    for name; do disk "$name" $((size++))M; done
    serve
    nbdinfo --size "$(uri)"
    stop_gateway
}
default_of only >"$work/size"
assert_eq 1048576 "$(cat "$work/size")" "the only export is the default"
default_of first default >"$work/size"
assert_eq 2097152 "$(cat "$work/size")" "the export named default is the default"
