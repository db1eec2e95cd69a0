#!/bin/bash
# examples.sh - do the examples of weir-encryption(1) work, as they are written?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
python3 "$WEIR_SOURCE/tests/docs/verbatim.py" "$WEIR_SOURCE/filters/encryption/weir-encryption.pod" "$work/shown"
mkdir "$work/keys"

# here_is LINE: with the paths of this test
here_is() { sed "s|/etc/weir/keys|$work/keys|g; s|/usr/local/bin/ask-vault vm1|/bin/cat $work/keys/vm1|" <<<"$1"; }
making=$(cat "$work"/shown/* | grep '^(umask')
bash -ec "$(here_is "$making")"
[ -s "$work/keys/vm1" ] || fail "no key was made by: $making"

serve "{ filter = \"encryption\"; key = \"file:$work/keys/vm1\"; format = true; $quick }"
stop_gateway

# ---- each entry: an empty disk, or one that has been formatted, opens with each option as it is said
entries=0
for shown in "$work"/shown/*; do
    grep -qE '^\{ filter = "encryption"' "$shown" || continue
    entry=$(here_is "$(cat "$shown")")
    case $entry in *format*) no_disk ;; esac
    case $entry in # what the entry does not say of the key slot is such that it opens at once
    *"pbkdf ="*) more='pbkdf_time = "1ms";' ;;
    *"pbkdf_time ="*) more='pbkdf = "pbkdf2";' ;;
    *"pbkdf_memory ="*) more='pbkdf_time = "1ms";' ;;
    *) more=$quick ;;
    esac
    serve "${entry% \}} $more }"
    assert_eq "$(state)" active "$entry"
    nbd 'h.pwrite(block, 512); expect(h.pread(4096, 512), block)'
    sed 's/^{ filter = "encryption"; //; s/ *}$//; s/; */\n/g' <<<"$entry" | while IFS= read -r line; do
        [ -n "$line" ] || continue
        option=${line%% =*} value=${line#*= } value=${value//\"/}
        is=$("$weirctl" export option vm1 encryption "$option")
        assert_eq "$is" "$value" "$entry: $option"
        touch "$work/tried.$option"
    done
    case $entry in *discard*) nbd 'expect(h.can_trim(), True); h.trim(65536, 0)' ;; esac
    case $entry in *key_bits*) statistic encryption cipher | grep -q '256 bits' || fail "key_bits" ;; esac
    stop_gateway
    entries=$((entries + 1))
done
[ $entries -ge 9 ] || fail "only $entries examples"
for option in $("$weirctl" filter describe encryption --json |
    python3 -c 'import json, sys; print(*(o["name"] for o in json.load(sys.stdin)["options"]))'); do
    [ -e "$work/tried.$option" ] || fail "no example for $option"
done
