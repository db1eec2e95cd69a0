# filter.sh - what do the tests of single filters share?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced instead of tests/lib.sh.  One disk, "vm1", behind the filters under test; of
# 16 MiB, or of $SIZE.
. "$WEIR_SOURCE/tests/lib.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdinfo nbdsh python3
disk=$work/disks/vm1

# serve FILTERS: as in a policy file, without the parentheses.  POLICY_MORE, EXPORT_MORE: other
# keys of policy and export.
serve() {
    mkdir -p "$work/policies.d" "$work/disks"
    printf 'name = "p"; %s\nfilters = ( %s );\n' "${POLICY_MORE:-}" "$1" >"$work/policies.d/p.conf"
    cat >"$work/weir.conf" <<END
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "${SIZE:-16M}"; policy = "p"; ${EXPORT_MORE:-} } );
include_policies = "policies.d";
END
    start_gateway "$work/weir.conf"
    url=$(uri vm1)
}

ctl() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" "$@"; }
statistic() { ctl get "exports/vm1/filters/@$1/stats/$2"; }
option() { ctl set "exports/vm1/filters/@$1/options/$2" "$3"; }
verb() { ctl set "exports/vm1/filters/@$1/ctl" "$2"; }
assert_statistic() { assert_eq "$(statistic "$1" "$2")" "$3" "statistic $2 of $1"; }

# nbd PYTHON: runs with `h`, connected to vm1; error(f, …) is the name of the errno that a
# call ends with, or "none".
nbd() {
    nbdsh -u "$url" -c '
import errno, threading, time
def error(call, *arguments, **more):
    try:
        call(*arguments, **more)
        return "none"
    except nbd.Error as e:
        return errno.errorcode[e.errnum].replace("EOPNOTSUPP", "ENOTSUP")
def expect(seen, wanted):
    assert seen == wanted, f"{seen!r} is not {wanted!r}"
block = b"\x11" * 4096
' -c "$1"
}
