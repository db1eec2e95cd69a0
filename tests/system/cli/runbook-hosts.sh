# runbook-hosts.sh - how is a section of weir-failover(7) typed, word for word, at two hosts?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced by runbook.sh.  The configuration is that of the page's first section, with the paths and the URI of this test;
# each command is the next one of the section under test, or the test fails: so it types all that
# the page prints there, in that order, and nothing that it does not print.
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdkit nbdsh nbdcopy psktool
page=$WEIR_SOURCE/plugins/weir-failover.pod

# ---- what is printed ---------------------------------------------------------------------------------

# printed SECTION: its commands, a line each
printed() {
    awk -v section="$1" '/^=head[12] / { here = substr($0, 8) == section }
        here && /^ weirctl / { print substr($0, 2) }' "$page"
}
# section TITLE: the next commands are from there
section() {
    [ -z "${steps[*]:-}" ] || fail "the page prints more: ${steps[0]}"
    mapfile -t steps < <(printed "$1")
    [ ${#steps[@]} -gt 0 ] || fail "weir-failover(7) has no commands below \"$1\""
}
# types CODE COMMAND…: what the page prints next, at the host of the last "at".  TYPED: what is
# typed in the place of an example that is not of this test.
types() {
    local want=$1 printed; shift
    printed=${steps[0]:-nothing}
    assert_eq "$*" "$printed" "what the page prints next"
    steps=("${steps[@]:1}")
    # shellcheck disable=SC2086 # split as a shell would: nothing there is quoted
    set -- ${TYPED:-$printed}
    expect "$want" "${@:2}"
}
# not_needed COMMAND…: the page prints it next, for a case that this is not
not_needed() {
    assert_eq "$*" "${steps[0]:-nothing}" "what the page prints next"
    steps=("${steps[@]:1}")
}
finished() { [ -z "${steps[*]:-}" ] || fail "the page prints more: ${steps[0]}"; }

# ---- two hosts -----------------------------------------------------------------------------------------

psktool -u weir -p "$work/keys.psk" >"$work/psktool.log" 2>&1
for host in a b; do mkdir -p "$work/$host/policies.d" "$work/$host/disks" "$work/$host/run" "$work/$host/state"; done
# reach HOST [EXPORT]: as clients do
reach() { printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "${2:-}" "$work/$1/nbd.sock" "$work/keys.psk"; }
# configuration SECTION NUMBER: the verbatim block of that number, as this test has it
configuration() {
    awk -v section="$1" -v number="$2" '/^=head[12] / { here = substr($0, 8) == section; n = 0 }
        here && /^ / { if (!inside) n++; inside = 1; if (n == number) print substr($0, 2) }
        !/^ / { inside = 0 }' "$page" |
        sed "s|nbds://b.example/|$(reach "${3:-b}" | sed 's/&/\\&/g')|; s|/var/lib/weir|$work/${3:-b}|;
             s|filter = \"replication\";|& reconnect_delay = \"100ms\";|"
}
configuration "The site that sends" 1 b >"$work/a/policies.d/replicated.conf"
configuration "The site that sends" 1 a >"$work/b/policies.d/replicated.conf"
grep -q 'filter = "replication"' "$work/a/policies.d/replicated.conf" || fail "no policy is printed"
disk='datastores = ( { name = "disks"; type = "file"; path = "disks"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "replicated"; } );'
# site HOST disk|vault: its configuration
site() {
    {
        if [ "$2" = disk ]; then echo "$disk"; else configuration "The site that receives" 1 "$1"; fi
        echo 'include_policies = "policies.d";'
    } >"$work/$1/weir.conf"
}
site a disk
site b vault
grep -q 'type = "vault"' "$work/b/weir.conf" || fail "no vault is printed"

# at HOST: what follows is done there
at() { WEIR_RUN=$work/$1/run WEIR_STATE=$work/$1/state; }
declare -A gateways
begin() {
    at "$1"
    rm -f "$work/$1/nbd.sock"
    spawn "gateway-$1" gateway_process -t 64 -U "$work/$1/nbd.sock" --tls=require --tls-psk="$work/keys.psk" \
        "$plugin" conf="$work/$1/weir.conf" name="$1"
    gateways[$1]=$pid
    wait_until 60 answers "$(reach "$1")"
}
dies() {
    gateway_pid=${gateways[$1]}
    kill_server
}
# ---- guests: blocks that say when they were written ---------------------------------------------------

# guest URI PYTHON: with h connected
guest() { nbdsh -c 'h.set_uri_allow_local_file(True)' -c "h.connect_uri('$1')" -c "$2"; }
fill() { guest "$1" "h.pwrite(b'\\x$2' * 65536, $3 << 20); h.flush()"; } # URI BYTE MIB
byte() { guest "$1" "print(h.pread(1, $2 << 20).hex())"; }               # URI MIB
# no_client HOST: a guest that has ended is gone for the gateway, too
no_client() { (at "$1"; ctl --json export show vm1; json 'd["connections"] == 0'); }
serves_not() { ! byte "$1" 4 >/dev/null 2>&1 || fail "${2:-it is served}"; }
# given [DISK]: the URI that weirctl has printed for it, with the key that a client has
given() {
    local uri
    uri=$(sed -n "s/^${1:-vm1} //p" <<<"$out")
    [ -n "$uri" ] || fail "no URI in: $out"
    printf '%s&tls-psk-file=%s' "${uri/:\/\/\//:\/\/weir@\/}" "$work/keys.psk"
}
# ---- what is to be looked at before the next step ------------------------------------------------------

# source_is KEY VALUE…: so says the status of vm1 where it is sent from
source_is() {
    ctl --json replica status vm1
    python3 - "$out" "$@" <<'PYTHON'
import json, sys
ends = [r for r in json.loads(sys.argv[1])["replicas"] if r.get("role") == "source"]
wanted = zip(sys.argv[2::2], sys.argv[3::2])
sys.exit(not (len(ends) == 1 and all(str(ends[0].get(key)) == value for key, value in wanted)))
PYTHON
}
# C<streaming>, and C<LACKS> is 0; and nothing is under way
in_step() { source_is state streaming dirty_granules 0 lag_bytes 0; }
# same A B: two URIs or files have the same bytes
same() {
    nbdcopy "$1" "$work/one" && nbdcopy "$2" "$work/two" && cmp "$work/one" "$work/two"
}
