#!/bin/bash
# filter-failure.sh - what happens to a disk whose filter fails, with lock and with bypass?
# SPDX-License-Identifier: BSD-3-Clause
#
# The table of weir-policy(5): what is not here is about requests in flight, in
# tests/verdict/test-defer.c, test-keep.c and test-locks.c.
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
requires cc qemu-io

# A filter that fails as the file $HOW says: in attach(), or by locking the disk from there.
cat >"$work/weak.c" <<'END'
#include <weir-filter.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef ABI
#define ABI WEIR_ABI
#endif
static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    char how[16] = "";
    FILE *f = fopen(getenv("HOW"), "re");

    (void)self;
    (void)config;
    if (f && !fgets(how, sizeof how, f))
        how[0] = 0;
    if (f)
        fclose(f);
    if (strcmp(how, "lock") == 0)
        weir_lock_export(below, "weak has lost its key");
    if (strcmp(how, "refuse") != 0)
        return 0;
    weir_print(why, "weak cannot read its state");
    return -EIO;
}
const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER, .abi = ABI, .name = "weak", .version = "1", .summary = "Fails.",
    .klass = WEIR_CLASS_ENCRYPTION, .flags = FLAGS, .ops = WEIR_ALL_OPS, .attach = attach,
};
END
export HOW=$work/how
mkdir "$work/filters" "$work/built"
WEIR_FILTERS=$work/filters:$WEIR_FILTERS
build() { # NAME CC-ARGUMENTS: the initializer of the ABI is given twice on purpose
    cc -shared -fPIC -Wno-override-init -I"$WEIR_SOURCE/gateway" "${@:2}" -o "$work/built/$1" "$work/weak.c"
}
build good -DFLAGS=0
build transforms -DFLAGS=WEIR_TRANSFORMS
build foreign -DFLAGS=0 -DABI=99
build garbage -DFLAGS=0
head -c 100 /dev/urandom >"$work/built/garbage"
put() { rm -f "$work/filters/weir-filter-weak.so"; [ "$1" = none ] || cp "$work/built/$1" "$work/filters/weir-filter-weak.so"; }
how() { printf %s "$1" >"$HOW"; }
state() { ctl get exports/vm1/state; }
# told WORDS: an event says it, of this disk
told() { ctl get events | tr -d '\\' | grep 'export=vm1' | grep -qF -- "$1" || { ctl get events; fail "no event says: $1"; }; }

# locked WORDS: by state, reason, compliance and event; and not one byte is served
locked() {
    assert_eq "$(state) $(ctl get exports/vm1/compliance)" "locked non-compliant" "the export"
    ctl get exports/vm1/compliance_reason | grep -qF -- "$1" || fail "the reason is: $(ctl get exports/vm1/compliance_reason)"
    told "$1"
    ! qemu-io -r -f raw "$url" -c 'read 0 512' >"$work/said" 2>&1 || fail "a locked disk was read: $(cat "$work/said")"
}
serves() { nbd "expect(h.pread(4096, 0), b'\x22' * 4096)"; assert_eq "$(state)" active "the export"; }
again() { kill_server; start_gateway "$work/weir.conf"; }

for failure in lock bypass; do
    echo "--- $failure"
    POLICY_MORE="on_filter_failure = \"$failure\";"
    rm -rf "$WEIR_STATE" "$disk"
    put good && how well
    serve '{ filter = "weak"; }'
    nbd "h.pwrite(b'\x22' * 4096, 0); h.flush()"

    # at the start: it refuses, it is not there, it is of another ABI, it is no program
    how refuse && again
    locked "weak cannot read its state"
    how well && again && serves
    for broken in none foreign garbage; do
        put $broken && again
        case $broken in
        none) locked 'there is no filter "weak"' ;;
        foreign) locked "filter ABI 99" ;;
        garbage) locked 'cannot load filter "weak"' ;;
        esac
        put good && again && serves
    done

    # while it runs: it locks the disk, and again at the next start
    how lock && again
    locked "weak has lost its key"
    how well && again && serves

    # in a live change: refused, said to who asked, and the chain that was there goes on
    "$weirctl" policy set p - <<<"on_filter_failure = \"$failure\"; filters = ( );" >/dev/null
    serves
    how refuse
    for broken in good none foreign garbage; do
        [ $broken = good ] || put $broken
        ! "$weirctl" policy set p - <<<"on_filter_failure = \"$failure\"; filters = ( { filter = \"weak\"; } );" >"$work/said" 2>&1 ||
            fail "$broken: a filter that cannot come was taken"
        serves
    done

    # one that transforms, once it was there, is in no policy left out: not by an edit, not by a start
    put transforms && how well
    kill_server
    serve '{ filter = "weak"; }'
    serves
    ! "$weirctl" policy set p - <<<'filters = ( );' >"$work/said" 2>&1 || fail "the disk would have been served raw"
    serves
    kill_server
    serve ''
    locked "stored by the filter weak"
    kill_server
done
