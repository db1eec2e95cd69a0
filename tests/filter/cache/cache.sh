# cache.sh - what do the tests of the filter cache share?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# One disk of 32 MiB, or of $SIZE, and a pool of 64 MiB, or of $POOL_SIZE: the disk's blocks all fit.
SIZE=${SIZE:-32M}
. "$WEIR_SOURCE/tests/filter/filter.sh"
pool=$work/ssd.pool
model() { python3 "$WEIR_SOURCE/tests/filter/cache/model.py" "$@"; }

# cached [OPTIONS]: the filter as a policy has it
cached() { printf '{ filter = "cache"; pool = "ssd"; %s }' "$*"; }
write_policy() { printf 'name = "p"; %s\nfilters = ( %s );\n' "${POLICY_MORE:-}" "$1" >"$work/policies.d/p.conf"; }
# configure FILTERS: weir.conf and the policy.  POOL_SIZE, POOL_WORDS: instead of the size; DISKS,
# POOL_PATH, EXPORTS_MORE: after vm1's
configure() {
    mkdir -p "$work/policies.d" "$work/disks"
    write_policy "$1"
    cat >"$work/weir.conf" <<END2
pools = ( { name = "ssd"; path = "${POOL_PATH:-$pool}"; ${POOL_WORDS-size = \"${POOL_SIZE:-64M}\";} } );
datastores = ( { name = "disks"; type = "file"; path = "${DISKS:-$work/disks}"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "$SIZE"; policy = "p"; } ${EXPORTS_MORE:-} );
include_policies = "policies.d";
END2
}
serve_again() { start_gateway "$work/weir.conf"; url=$(uri vm1); }
# serve_cache FILTERS
serve_cache() { configure "$1"; serve_again; }
state() { ctl get exports/vm1/state; }
events() { "$weirctl" events; }
# said WORDS: an event has them
said() { events | grep -qF -- "$1"; }
assert_said() { said "$1" || fail "no event says \"$1\": $(events)"; }
# assert_state WORDS: the filter's state has them
assert_state() {
    case $(statistic cache state) in *"$1"*) ;; *) fail "state: $(statistic cache state), not: $1" ;; esac
}
is_statistic() { [ "$(statistic cache "$1")" = "$2" ]; }
is_clean() { is_statistic dirty_bytes 0; }
assert_dirty() { [ "$(statistic cache dirty_bytes)" -gt 0 ] || fail "nothing is dirty: this test sees nothing"; }
# is_whole: the store has all, and the gateway has noted that
is_whole() { case $(statistic cache state) in *draining | detaching) return 1 ;; esac; }
drain() { verb cache drain >/dev/null; wait_until 60 is_whole; assert_statistic cache dirty_bytes 0; }
# assert_locked WORDS: nobody can open the export, and it says why
assert_locked() {
    assert_eq "$(state)" locked "the state of the export"
    assert_state "$1"
    ! nbdinfo "$url" >/dev/null 2>"$work/nbdinfo.said" || fail "a locked export was opened"
}
# refused VERB SENTENCE
refused() {
    if verb cache "$1" >"$work/said" 2>&1; then fail "$1 was taken: $(cat "$work/said")"; fi
    grep -qF -- "$2" "$work/said" || fail "$1: $(cat "$work/said")"
}
