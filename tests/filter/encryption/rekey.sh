# rekey.sh - what do the tests of both rekeys share?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
requires cryptsetup
seed=$((10#${WEIR_SEED:-$(date +%N)}))
echo "WEIR_SEED=$seed"
model() { python3 "$here/rekey.py" "$url" "$seed" "$@"; }

# ended: there is no rekey, or not any more
ended() { [ "$(statistic encryption state)" = unlocked ]; }
# load_begins, load_ends: four connections read and write, and compare
load_begins() {
    coproc load { exec python3 "$here/rekey.py" "$url" "$((seed + ++loads))" load "$work/model"; }
    # shellcheck disable=SC2154
    { load_pid=$load_PID; load_in=${load[1]}; load_out=${load[0]}; }
    read -r -u "$load_out" word && assert_eq "$word" works "the load"
}
load_ends() {
    exec {load_in}>&-
    wait "$load_pid" || fail "the load saw wrong bytes or an error"
}
loads=0

# fault FROM TO WHEN [TORN]: as a policy has it, before the disk below the encryption: the gateway is killed before or
# after it writes there
fault() {
    printf '{ filter = "fault"; ops = "write"; from = "%s"; to = "%s"; crash = "%s"; count = 1; torn = "%s"; }' \
        "$1" "$2" "$3" "${4:-0}"
}
harmless='{ filter = "fault"; ops = "write"; rate = 0.0; }'
gone() { ! grep -q ') [^Z]' "/proc/$gateway_pid/stat"; } 2>/dev/null
# crashed: the gateway has ended by itself, as it was told to
crashed() {
    wait_until 60 gone
    wait "$gateway_pid" 2>/dev/null && status=0 || status=$?
    assert_eq "$status" 137 "the gateway ended with"
    _pids=("${_pids[@]/#%$gateway_pid/}")
}

# start_gateway_to_crash FILTER [load]: it may end before it listens, so this does not wait for that
start_gateway_to_crash() {
    printf 'name = "p"; filters = ( %s, %s );\n' "$(encrypted "$quick")" "$1" >"$work/policies.d/p.conf"
    rm -f "$sock"
    spawn gateway gateway_process -t 64 -U "$sock" "$plugin" conf="$work/weir.conf"
    gateway_pid=$pid
    nbdinfo --size "$url" >/dev/null 2>&1 || true # what is exported is opened by the first who asks
    for _ in $(seq 600); do
        ! gone || break
        [ $# -eq 1 ] || { python3 "$here/rekey.py" "$url" "$((seed + ++loads))" load "$work/model" </dev/null >"$work/load.log" 2>&1 || fail "$(cat "$work/load.log")"; }
        nbdinfo --size "$url" >/dev/null 2>&1 || true
        sleep 0.05
    done
    crashed
}

# assert_rekeyed OLD-VOLUME-KEY KEY-FILE: the image has another volume key, which plain
# cryptsetup and the format's description open, the model is in it, and nothing is left
assert_rekeyed() {
    local now; now=$(luks volume-key "$disk" "$2")
    [ "$now" != "$1" ] || fail "the volume key is still the old one"
    cryptsetup luksOpen --test-passphrase --key-file "$2" "$disk" || fail "cryptsetup does not open it"
    luks read "$disk" "$2" 0 "$(stat -c %s "$work/model")" | cmp - "$work/model" || fail "the image holds something else"
    cryptsetup luksDump --dump-json-metadata "$disk" >"$work/json"
    python3 - "$work/json" "$disk" "$1" <<'PY' || fail "the old key has left something"
import json, sys
meta, data = json.load(open(sys.argv[1])), open(sys.argv[2], "rb").read()
old = bytes.fromhex(sys.argv[3])
assert len(meta["keyslots"]) == 1 and len(meta["digests"]) == 1, "slots"
assert not meta["tokens"] and "requirements" not in meta["config"], "token or requirement"
assert old not in data and old[:32] not in data and b"weir rekey" not in data, "key or progress"
slot, = meta["keyslots"].values()
used = range(int(slot["area"]["offset"]), int(slot["area"]["offset"]) + int(slot["area"]["size"]))
for at in range(32768, int(meta["segments"]["0"]["offset"]), 4096):
    assert at in used or not any(data[at:at + 4096]), f"something at {at}"
PY
}
