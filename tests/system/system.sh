# system.sh - what do the tests with real clients and guests share?
# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced instead of tests/lib.sh.  WEIR_SERVER=plain serves the same disks by nbdkit's
# own file plugin: it tells a defect of weir from one of the surroundings.
. "$WEIR_SOURCE/tests/lib.sh"
here=$WEIR_SOURCE/tests/system
export WEIR_SERVER=${WEIR_SERVER:-weir}
disks=$work/disks
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$disks" "$work/policies.d"
cd "$work" # fio leaves files where it runs
_exports=()

# policy NAME [FILTERS]: FILTERS as in a policy file, without the parentheses.
policy() { printf 'name = "%s";\nfilters = ( %s );\n' "$1" "${2:-}" >"$work/policies.d/$1.conf"; }

# disk NAME SIZE [POLICY [MORE]]: an export whose image is $disks/NAME.  MORE: settings.
disk() {
    local text="name = \"$1\"; datastore = \"disks\"; image = \"$1\"; size = \"$2\";"
    [ -z "${3:-}" ] || text="$text policy = \"$3\";"
    _exports+=("{ $text ${4:-} }")
    truncate -s "$2" "$disks/$1"
}

write_conf() { # CONF_MORE, DATASTORE_MORE: other keys of the top level and of the datastore
    local IFS=,
    cat >"$work/weir.conf" <<END
${CONF_MORE:-}
datastores = ( { name = "disks"; type = "file"; path = "$disks"; ${DATASTORE_MORE:-} } );
exports = ( ${_exports[*]} );
include_policies = "policies.d";
END
}

# serve [NBDKIT ARGUMENTS…]: every disk, on $sock.  Again after kill_server: the same disks.
serve() {
    [ "$WEIR_SERVER" = weir ] || { serve_plain "$@"; return; }
    [ -e "$work/weir.conf" ] || write_conf
    start_gateway "$work/weir.conf" "$@"
}
serve_plain() {
    sock=${sock:-$work/nbd.sock}
    rm -f "$sock"
    spawn gateway nbdkit -f -t 64 -U "$sock" "$@" file dir="$disks"
    gateway_pid=$pid
    wait_until 60 listens "$sock"
    uri() { printf 'nbd+unix:///%s?socket=%s' "${1:-}" "$sock"; }
}
needs_weir() { [ "$WEIR_SERVER" = weir ] || skip "is about weir, not nbdkit file"; }

. "$here/guest/guest.sh"

# ---- file systems ------------------------------------------------------------------

# check_filesystem FS IMAGE: clean, as the file system's own checker sees it.
check_filesystem() {
    case $1 in
    ext4) e2fsck -fn "$2" ;;
    xfs) xfs_repair -n "$2" ;;
    btrfs) btrfs check --readonly --check-data-csum "$2" ;;
    esac >"$work/fsck-$1.log" 2>&1 || fail "$1 on $2 is not clean"
}
# dump_file IMAGE PATH TO: out of an ext4 image, without mounting it.
dump_file() {
    debugfs -R "dump $2 $3" "$1" 2>/dev/null
    [ -s "$3" ] || fail "$1 has no $2"
}
allocated() { stat -c %b "$disks/$1"; } # in blocks of 512 bytes

# follow_filesystems FS…: the host's side of guest/jobs/filesystem.sh, each FS on the
# export of that name.
follow_filesystems() {
    local fs before
    for fs; do
        guest_says 600 "TRIM $fs"
        before=$(allocated "$fs")
        type_to_guest go
        guest_says 600 "SUMS $fs"
        # 8 MiB were deleted; what file systems write meanwhile is far less than half of that
        [ "$(allocated "$fs")" -lt $((before - 8192)) ] || fail "$fs: fstrim freed nothing of the image"
    done
    finish_guest
    for fs; do check_filesystem "$fs" "$disks/$fs"; done
    dump_file "$disks/ext4" /sums "$work/sums"
    assert_eq "$(sed -n 's/^SUMS ext4 \([0-9a-f]*\).*/\1/p' "$work/guest.log")" \
        "$(sha256sum <"$work/sums" | cut -d' ' -f1)" "ext4's list of checksums"
    mkdir "$work/files"
    debugfs -R "rdump / $work/files" "$disks/ext4" 2>/dev/null
    (cd "$work/files" && sha256sum --quiet -c sums) || fail "the host reads other bytes than the guest"
}
