#!/bin/bash
# unprivileged.sh - does a user without any right run all of it, and leave the others' alone?
# SPDX-License-Identifier: BSD-3-Clause
#
# Gateway, filters, a vault, weirctl and the mount as a user who owns nothing, without
# capabilities, with a home of their own and none of the variables that say where things are.
if [ -n "${WEIR_OWN_DEVICE:-}" ]; then
    mknod -m 666 "$WEIR_OWN_DEVICE" c 10 229
    mount --bind "$WEIR_OWN_DEVICE" /dev/fuse
fi
. "${WEIR_SOURCE:?run by meson}/tests/system/system.sh"
requires nbdkit nbdinfo nbdcopy setpriv fusermount3
[ "$(id -u)" = 0 ] || skip "needs root, to become somebody else"
if [ "$(stat -c %a /dev/fuse)" != 666 ]; then # as udev makes it, where there is a udev
    [ -z "${WEIR_OWN_DEVICE:-}" ] || fail "no /dev/fuse for everybody: $(ls -l /dev/fuse)"
    WEIR_OWN_DEVICE=$work/fuse unshare -m bash "$0"
    exit
fi
user=65534 # nobody: fusermount3 wants a name
home=$work/home
mkdir "$home"
chmod 711 "$work"
chown $user:$user "$home"
# as_user COMMAND…: with nothing but HOME, and where the filters of this build are
become_user() {
    cd "$home" && exec setpriv --reuid $user --regid $user --clear-groups --no-new-privs --bounding-set=-all \
        --inh-caps=-all env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C HOME="$home" WEIR_FILTERS="$WEIR_FILTERS" "$@"
}
as_user() { (become_user "$@"); }
as_user test -x "$weirfs" || skip "the build folder is not open to others"
nobodys_business() { find /run /var/lib /etc -user $user ! -path "$work/*" 2>/dev/null | sort; }
before=$(nobodys_business)

as_user bash -e -c '
umask 077
mkdir -p disks policies.d vault
printf "a key of this test" >key
cat >policies.d/all.conf <<END
filters = ( { filter = "inspection"; },
    { filter = "encryption"; key = "file:$HOME/key"; format = true; pbkdf = "pbkdf2"; pbkdf_time = "1ms"; },
    { filter = "replication"; target = "nbd+unix:///db?socket=$HOME/nbd.sock"; group = "db"; },
    { filter = "cache"; pool = "fast"; mode = "write-back"; }, { filter = "control"; shares = "high"; } );
END
cat >weir.conf <<END
datastores = ( { name = "disks"; type = "file"; path = "disks"; }, { name = "dr"; type = "vault"; path = "vault"; } );
pools = ( { name = "fast"; path = "$HOME/pool"; size = "64M"; } );
exports = ( { name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "all"; },
            { name = "log:db"; datastore = "dr"; image = "log:db"; },
            { name = "far"; datastore = "dr"; image = "db/vm1"; } );
include_policies = "policies.d";
END'
serve_user() {
    rm -f "$home/nbd.sock"
    spawn gateway become_user nbdkit -f -t 64 -U "$home/nbd.sock" "$plugin" conf="$home/weir.conf"
    gateway_pid=$pid
    sock=$home/nbd.sock
    wait_until 60 listens "$sock"
    is_served() { as_user nbdinfo --size "$(uri vm1)"; }
    uri() { printf 'nbd+unix:///%s?socket=%s' "${1:-}" "$home/nbd.sock"; }
    wait_until 60 is_served
}
ctl() { as_user "$weirctl" --run="$home/.cache/weir" "$@"; }
serve_user

# the gateway has what this user has, and no more
grep -q "^Uid:	$user	$user	$user	$user\$" "/proc/$gateway_pid/status" || fail "it runs as somebody else"
assert_eq "$(awk '/^Cap(Eff|Prm|Inh|Bnd|Amb)/ { print $2 }' "/proc/$gateway_pid/status" | sort -u)" 0000000000000000 "its capabilities"

# a disk through all filters, replicated to the vault of the same user
size=$(as_user nbdinfo --size "$(uri vm1)")
as_user bash -c "head -c $size /dev/urandom >data"
as_user nbdcopy data "$(uri vm1)" || fail "the disk cannot be written"
as_user nbdcopy "$(uri vm1)" back
cmp "$home/data" "$home/back" || fail "other bytes came back"
assert_eq "$(ctl --json export show vm1 | jq -r '.state, ([.filters[].name] | sort | join(" "))' | paste -sd' ')" \
    "active cache control encryption inspection replication" "the chain"
in_step() { ctl --json replica status vm1 >"$work/replica.log" && jq -e '[.. | .state? // empty] | any(. == "streaming")' "$work/replica.log"; }
wait_until 60 in_step

# the mount of a user: statistics, options, policies
as_user mkdir fs
# fusermount3 is setuid: that needs new privileges, which the gateway above does without
become_mounting() {
    cd "$home" && exec setpriv --reuid $user --regid $user --clear-groups env -i PATH=/usr/bin:/bin LC_ALL=C HOME="$home" "$@"
}
mounting() { (become_mounting "$@"); }
spawn weirfs become_mounting "$weirfs" -f "$home/fs"
weirfs_pid=$pid
cleanup_fn "mounting fusermount3 -u '$home/fs' 2>/dev/null || true"
shows() { mounting test -e "$home/fs/exports/vm1/state"; }
wait_until 60 shows
assert_eq "$(mounting cat fs/exports/vm1/state fs/exports/vm1/policy | paste -sd' ')" "active all"
mounting bash -c 'echo 250 >fs/exports/vm1/filters/*-control/options/shares'
assert_eq "$(mounting bash -c 'cat fs/exports/vm1/filters/*-control/options/shares')" 250
mounting bash -c 'sed -i "s/high/normal/" fs/policies/all'
grep -q normal "$home/policies.d/all.conf" || fail "an edit did not reach the file"
mounting fusermount3 -u "$home/fs"

# killed and started again, it has its disk
{ kill -9 "$gateway_pid"; wait "$gateway_pid" || true; } 2>/dev/null
serve_user
as_user nbdcopy "$(uri vm1)" back
cmp "$home/data" "$home/back" || fail "other bytes after a kill"
stop_pid "$gateway_pid"

# where it lived: at home, and nowhere else
for one in .cache/weir/ctl .local/state/weir/exports disks/vm1 pool vault/db; do
    [ -e "$home/$one" ] || fail "there is no ~/$one: $(find "$home" | head -50)"
done
assert_eq "$(nobodys_business)" "$before" "files outside of the home"
[ -z "$(find "$home" ! -user $user)" ] || fail "somebody else's files at home"
