# two-hosts.sh - how do two gateways stand for two hosts, of which one replicates to the other?
# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced behind cli.sh.  a has the disks, b a vault; neither sees what the other runs.

PATH=/usr/bin:$PATH # the python of the distribution has the nbd module

# two_hosts DISK…
two_hosts() {
    local host disk disks='' images=''
    for host in a b; do
        mkdir -p "$work/$host/policies.d" "$work/$host/disks" "$work/$host/run" "$work/$host/state"
    done
    for disk in "$@"; do
        disks+=" { name = \"$disk\"; datastore = \"disks\"; image = \"$disk\"; size = \"32M\"; policy = \"replicated\"; },"
        images+=" { name = \"log:$disk\"; datastore = \"vault\"; image = \"log:$disk\"; },"
        images+=" { name = \"$disk\"; datastore = \"vault\"; image = \"$disk\"; },"
    done
    cat >"$work/a/policies.d/replicated.conf" <<EOF
name = "replicated";
filters = ( { filter = "replication"; target = "nbd+unix:///?socket=$work/b/nbd.sock"; reconnect_delay = "100ms"; } );
EOF
    cat >"$work/a/weir.conf" <<EOF
datastores = ( { name = "disks"; type = "file"; path = "disks"; } );
exports = (${disks%,} );
include_policies = "policies.d";
EOF
    cat >"$work/b/weir.conf" <<EOF
datastores = ( { name = "vault"; type = "vault"; path = "vault"; history = "1h"; } );
exports = (${images%,} );
EOF
}
# at HOST: what follows is done there
at() { WEIR_RUN=$work/$1/run WEIR_STATE=$work/$1/state sock=$work/$1/nbd.sock; }
declare -A gateways
begin() {
    at "$1"
    rm -f "$sock"
    spawn "gateway-$1" gateway_process -t 64 -U "$sock" "$plugin" conf="$work/$1/weir.conf" name="$1"
    gateways[$1]=$pid
    wait_until 60 answers "$(uri)"
}
uri() { printf 'nbd+unix:///%s?socket=%s' "${1:-}" "$sock"; }
fill() { nbdsh -u "$1" -c "h.pwrite(b'\\x$2' * 65536, $3 << 20); h.flush()"; } # URI BYTE MIB
byte() { nbdsh -u "$1" -c "print(h.pread(1, $2 << 20).hex())"; }               # URI MIB
is() { [ "$("$weirctl" --json replica status "$1" | grep -oE "\"$2\":\"?[^,\"]*" | head -1 | sed 's/.*://; s/"//')" = "$3" ]; }
in_step() { is "$1" state streaming && is "$1" dirty_granules 0 && is "$1" lag_bytes 0; }
# no_client DISK: one that has ended is gone for the gateway, too
no_client() { (ctl --json export show "$1"; json 'd["connections"] == 0'); }
# uri_of DISK: from what weirctl has printed
uri_of() { sed -n "s/^$1 //p" <<<"$out"; }
