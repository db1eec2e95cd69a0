#!/bin/bash
# changes.sh - do clients that ask for BASE@changes:ID get what changed, and no more than that?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
requires nbdinfo nbdcopy qemu-io qemu-img qemu-nbd jq
needs_weir
WEIR_FILTERS=$WEIR_FILTERS:$WEIR_BUILD/tests/unit # has the filter "changed"
policy gold '{ filter = "changed"; }'
disk vm1 16M gold 'allow = [ "uid:0", "uid:'"$(id -u)"'" ];'
disk vm2 1M
disk log:db 1M
serve

ctl() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" "$@"; }
verb() { ctl set exports/vm1/filters/@changed/ctl "$1"; }
write() { # QEMU-IO COMMAND…: to vm1
    local commands=() command
    for command; do commands+=(-c "$command"); done
    qemu-io -f raw "$(uri vm1)" "${commands[@]}" -c flush >/dev/null
}
refuses() { # WORDS COMMAND…: fails, and the gateway says WORDS
    local words=$1
    shift
    : >"$work/gateway.log"
    if "$@" >/dev/null 2>&1; then fail "not refused: $*"; fi
    grep -q -- "$words" "$work/gateway.log" || fail "'$words' was not said of: $*"
}
read_bytes() { ctl get exports/vm1/stats/read/bytes; } # clients', and those of BASE@changes:ID
is_gone() { ! "$weirctl" --json export list | grep -q "\"$1\""; }
is_there() { ! is_gone "$1"; }

write 'write -P 1 0 4M' 'write -P 2 8M 1M'
nbdcopy "$(uri vm1)" full.raw
id=$(verb checkpoint)
write 'write -P 7 1M 64k' 'write -P 8 12M 128k' 'write -z -u 8M 512k'
nbdcopy "$(uri vm1)" now.raw
at=$(uri "vm1@changes:$id")

# What did not change is a hole of which nobody says that it is zero; what changed is as BASE has it.
nbdinfo --map "$at" | awk '{ print $1, $2, $4 }' >map
assert_eq "$(cat map)" "\
0 1048576 hole
1048576 65536 data
1114112 7274496 hole
8388608 524288 zero
8912896 3670016 hole
12582912 131072 data
12713984 4063232 hole" "map of the changes"

# So whoever copies it copies right, onto what is empty and onto an old copy, sparse or not.
for options in '' --allocated --destination-is-zero --no-extents; do
    rm -f copy.raw
    # shellcheck disable=SC2086 # an option or none
    nbdcopy $options "$at" copy.raw
    cmp copy.raw now.raw || fail "nbdcopy $options"
    [ "$options" != --destination-is-zero ] || continue # it would not be true
    cp full.raw copy.raw
    # shellcheck disable=SC2086
    nbdcopy $options "$at" copy.raw
    cmp copy.raw now.raw || fail "nbdcopy $options onto an old copy"
done
cp full.raw copy.raw
qemu-img convert -n -f raw -O raw "$at" copy.raw
cmp copy.raw now.raw || fail "qemu-img convert -n"

# With the old copy as its backing file qemu-img reads what changed alone, and can put that onto it.
before=$(read_bytes)
qemu-img convert -f raw -O qcow2 -B full.raw -F raw "$at" delta.qcow2
read=$(($(read_bytes) - before))
[ "$read" -lt $((2 << 20)) ] || fail "$read bytes were read for changes of 192 KiB"
qemu-img map --output=json delta.qcow2 >extents.json
jq -c '.[] | select(.depth == 0) | [.start, .length, .zero]' extents.json >map
assert_eq "$(cat map)" "\
[1048576,65536,false]
[8388608,524288,true]
[12582912,131072,false]" "what the delta holds"
qemu-img compare -q -f qcow2 -F raw delta.qcow2 now.raw || fail "the delta is not the disk"
qemu-img commit -q delta.qcow2
cmp full.raw now.raw || fail "the old copy with the delta is not the disk"

# A file without data, which has the changes as a bitmap, can have it as its backing file.
"$weirctl" changes vm1 --since="$id" --qcow2="$work/shim.qcow2" >/dev/null
for backing in "$(uri vm1)" "$at"; do
    qemu-img rebase -u -f qcow2 -F raw -b "$backing" shim.qcow2
    rm -f shim.sock
    spawn qemu-nbd qemu-nbd -r -t -f qcow2 -B "weir-since-$id" -k "$work/shim.sock" shim.qcow2
    wait_until 60 listens "$work/shim.sock"
    nbdinfo --map="qemu:dirty-bitmap:weir-since-$id" "nbd+unix:///?socket=$work/shim.sock" |
        awk '$3 == 1 { print $1, $2 }' >map
    assert_eq "$(cat map)" "$(printf '%s\n' '1048576 65536' '8388608 524288' '12582912 131072')" \
        "bitmap over $backing"
    nbdcopy "nbd+unix:///?socket=$work/shim.sock" copy.raw
    cmp copy.raw now.raw || fail "a copy by way of qemu-nbd over $backing"
    stop_pid "$pid"
done

# It is there as long as somebody has it open, and no list for clients names it.
wait_until 60 is_gone "vm1@changes:$id"
hold() { # URI: a client that has it open until its stdin ends
    exec /usr/bin/python3 -c 'import nbd, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1]); print("connected", flush=True)
for line in sys.stdin:
    try: h.pread(4096, 1 << 20); print("read", flush=True)
    except nbd.Error as e: print(e.errno, flush=True)' "$1"
}
mkfifo say
spawn holder bash -c "$(declare -f hold); hold '$at' <say"
holder=$pid
exec 3>say
wait_until 60 grep -q connected "$work/holder.log"
is_there "vm1@changes:$id" || fail "it is not in the list"
assert_eq "$(ctl get "exports/vm1@changes:$id/connections")" 1
assert_eq "$(ctl get "exports/vm1@changes:$id/compliance")" compliant
assert_eq "$(ctl get "exports/vm1@changes:$id/read_only")" true
nbdinfo --list --json "$(uri)" | jq -r '.exports[]."export-name"' | sort >names
assert_eq "$(cat names)" "$(printf 'vm1\nvm2')" "names that clients are told"
assert_eq "$(nbdinfo --size "$(uri log:db)")" 1048576 "what is for gateways is opened by name"
is_there "vm1@changes:$id" || fail "a list closed it"

# A reload leaves it alone, or is refused where its disk would go.
"$weirctl" reload >/dev/null
echo x >&3
wait_until 60 grep -q '^read' "$work/holder.log"
cp weir.conf before.conf
sed -i 's/name = "vm1";/name = "vm1"; description = "other";/' weir.conf
if "$weirctl" reload >refused.log 2>&1; then fail "its disk changed under it"; fi
grep -q 'while 1 client has it open' refused.log || fail "$(cat refused.log)"
cp before.conf weir.conf
"$weirctl" reload >/dev/null

# Closing its disk, or itself, is an error of the next request.
"$weirctl" export close vm1 >/dev/null
echo x >&3
wait_until 60 grep -q ESHUTDOWN "$work/holder.log"
"$weirctl" export open vm1 >/dev/null
: >"$work/holder.log"
echo x >&3
wait_until 60 grep -q '^read' "$work/holder.log"
"$weirctl" export close "vm1@changes:$id" >/dev/null
is_gone "vm1@changes:$id" || fail "it was closed and is there"
echo x >&3
wait_until 60 grep -q ESHUTDOWN "$work/holder.log"
exec 3>&-
wait "$holder" || true

# Many at once share it, or make it anew, and read the same.  (The disk was opened anew, and this
# filter remembers nothing from before that.)
at=$(uri vm1@changes:1)
for i in 1 2 3 4 5 6; do
    spawn "copy$i" bash -c "for n in 1 2 3; do nbdcopy '$at' copy$i.raw && cmp copy$i.raw now.raw || exit 1; done"
    copies="${copies:-} $pid"
done
for pid in $copies; do wait "$pid" || fail "one of many copies is wrong"; done
wait_until 60 is_gone vm1@changes:1

# What is none.
refuses 'there is no checkpoint "never"' nbdinfo --size "$(uri vm1@changes:never)"
refuses 'does not answer "changes" with lines' nbdinfo --size "$(uri vm1@changes:nonsense)"
for name in vm1@changes: vm1@latest vm2@changes:1 vm3@changes:1 vm1@ @changes:1; do
    refuses "there is no export \"$name\"" nbdinfo --size "$(uri "$name")"
done
assert_eq "$("$weirctl" --json export list | jq -r '.exports[].name' | sort | tr '\n' ' ')" "log:db vm1 vm2 "

# Who may not open the disk may not read its changes.
sed 's/"uid:0", "uid:[0-9]*"/"uid:12345"/' before.conf >weir.conf
"$weirctl" reload >/dev/null
refuses 'none of its "allow" rules fits' nbdinfo --size "$(uri vm1@changes:0)"
is_gone vm1@changes:0 || fail "who is refused made the gateway open it"
cp before.conf weir.conf
"$weirctl" reload >/dev/null

# The gateway stops while somebody has it open, for whose end nbdkit waits.
rm say; mkfifo say
spawn holder bash -c "$(declare -f hold); hold '$(uri vm1@changes:0)' <say"
exec 3>say
wait_until 60 grep -q connected "$work/holder.log"
kill "$gateway_pid"
exec 3>&-
stop_gateway
! grep -iE 'assert|runtime error|Sanitizer' "$work/gateway.log" || fail "the gateway complains"
