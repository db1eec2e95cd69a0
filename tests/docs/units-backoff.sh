#!/bin/bash
# units-backoff.sh - does a gateway that crashes in each start come back less and less often, for
# ever, and at once when what was wrong has ended?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires cc nbdinfo
[ -f "$plugin" ] || skip "needs the plugin"
unit=$WEIR_BUILD/conf/weir@.service
backoff=$WEIR_BUILD/conf/weir-backoff
folder=$work/backoff
mkdir "$folder"

# ---- the program: waits are what it says of them, in ms --------------------------------
waits() { "$backoff" "$folder" "$@" | sed -n 's/.* starts in \([0-9]*\) ms$/\1/p'; }
assert_eq "$(waits 1 8 3600000)" "" "the first start"
assert_eq "$(for _ in 1 2 3 4 5 6; do waits 1 8 3600000; done | xargs)" "1 2 4 8 8 8" "the restarts"
assert_eq "$(waits 1 8 0)" "" "a restart of one that has lived long"
assert_eq "$(waits 1 8 3600000)" 1 "the next one"
for bad in "" "1 2" "1 2 x" "8 1 1" "1 -2 3" "1 2 99999999999"; do
    # shellcheck disable=SC2086  # words
    "$backoff" "$folder" ${bad:-more} 2>"$work/said" && fail "weir-backoff takes \"$bad\""
    grep -q '^usage' "$work/said" || fail "no usage for \"$bad\""
done
for text in "" x "1" "99999999999999999999 1"; do # a file that says nothing
    printf %s "$text" >"$folder/last"
    "$backoff" "$folder" 1 8 1 >/dev/null || fail "a file with \"$text\" ends weir-backoff"
done
"$backoff" "$work/none" 1 2 3 2>"$work/said" || fail "without its folder a disk does not start"
grep -q "No such file.* waits for 2 ms" "$work/said" || fail "without its folder: $(cat "$work/said")"

# ---- the unit: never gives up, and its folder is what systemd keeps through restarts --------
grep -qx 'StartLimitIntervalSec=0' "$unit" || fail "systemd gives up on a disk"
grep -qx 'RuntimeDirectoryPreserve=restart' "$unit" || fail "the folder goes with each restart"
name=$(sed -n 's|^RuntimeDirectory=||p' "$unit")
pre=$(sed -n 's|^ExecStartPre=||p' "$unit")
assert_eq "${pre#* }" "%t/$name" "the folder of weir-backoff"

# ---- a filter that crashes in each start, and a systemd of six lines ---------------------------
cat >"$work/crash.c" <<'END'
#include <weir-filter.h>
#include <stdlib.h>
#include <unistd.h>
static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    (void)self, (void)below, (void)config, (void)why;
    if (access(getenv("WEIR_MENDED"), F_OK))
        abort();
    return 0;
}
const struct weir_filter weir_filter = { WEIR_FILTER_HEADER, .name = "crash", .version = "1",
    .summary = "Crashes.", .ops = WEIR_ALL_OPS, .attach = attach };
END
mkdir "$work/filters" "$work/policies.d"
cc -shared -fPIC -I"$WEIR_SOURCE/gateway" -o "$work/filters/weir-filter-crash.so" "$work/crash.c"
echo 'filters = ( { filter = "crash"; } );' >"$work/policies.d/p.conf"
cat >"$work/weir.conf" <<CONF
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "disk"; datastore = "m"; size = "1M"; policy = "p"; } );
include_policies = "policies.d";
CONF
export WEIR_FILTERS=$work/filters WEIR_MENDED=$work/mended
ulimit -c 0
rm "$folder/last"
restarts() { # Restart=on-failure
    until "$backoff" "$folder" 20 160 3600000 && gateway_process -P "$work/pid" -U "$work/sock" "$plugin" conf="$work/weir.conf"; do
        rm -f "$work/sock"
        echo "crashed"
    done
}
gateway_process() { env LD_PRELOAD="$(_preload)" ASAN_OPTIONS=handle_abort=0 nbdkit -f "$@"; }
cleanup_fn '[ ! -s "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null || true'
spawn service restarts
crashed() { [ "$(grep -c '^crashed' "$work/service.log")" -ge "$1" ]; }
wait_until 60 crashed 7
assert_eq "$(sed -n 's/.* starts in \([0-9]*\) ms$/\1/p' "$work/service.log" | head -6 | xargs)" \
    "20 40 80 160 160 160" "the waits of the gateway"
touch "$work/mended"
wait_until 60 nbdinfo --size "nbd+unix:///disk?socket=$work/sock"
kill "$(cat "$work/pid")"
wait "$pid" || fail "a gateway that is told to end counts as crashed"
