#!/bin/bash
# units-confined.sh - do gateway and mount work under what their units deny them?
# SPDX-License-Identifier: BSD-3-Clause
#
# No systemd runs the tests: confined.py and setpriv are in its place.
. "$WEIR_SOURCE/tests/lib.sh"
requires systemd-analyze setpriv nbdcopy nbdinfo cryptsetup /usr/bin/python3
/usr/bin/python3 -c 'import seccomp' 2>/dev/null || skip "needs python3-seccomp"
[ -f "$plugin" ] && [ -z "$(_preload)" ] || skip "needs the plugin, without a sanitizer's runtime"
[ "$(id -u)" = 0 ] || skip "needs root"
units=$WEIR_BUILD/conf

# as the user of the unit, whoever that is here; where nobody else may read the build, as root
# without a capability
user=nobody
setpriv --reuid=nobody --clear-groups test -r "$plugin" || user=root
chown -R "$user" "$work"
chmod 755 "$work"
as() { # UNIT CAPABILITY COMMAND…
    local unit=$units/$1 capability=$2; shift 2
    setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --no-new-privs \
        --inh-caps="-all${capability:+,+$capability}" --ambient-caps="-all${capability:+,+$capability}" \
        --bounding-set="-all${capability:+,+$capability}" /usr/bin/python3 "$WEIR_SOURCE/tests/docs/confined.py" \
        "$unit" "$@"
}

# first: is that in force, or does the rest prove nothing?
as weir@.service "" /usr/bin/python3 - <<'END' || fail "the confinement denies nothing"
import ctypes, errno, mmap, os, socket
def denied(call, *arguments):
    try:
        call(*arguments)
    except OSError as e:
        assert e.errno in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT), e
    else:
        raise SystemExit(f"{call} is allowed")
denied(os.setpriority, os.PRIO_PROCESS, 0, 1)
denied(os.chown, "/proc/self/fd", os.getuid(), os.getgid())
denied(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
denied(mmap.mmap, -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_WRITE | mmap.PROT_EXEC)
status = dict(line.split(":\t") for line in open("/proc/self/status"))
assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0, status
assert status["Umask"].strip() == "0007" and status["NoNewPrivs"].strip() == "1", status
END

# every filter in chains that the units are for: keys by a command, a pool, a vault, limits
mkdir -p "$work/policies.d" "$work/disks"
printf '#!/bin/sh\nprintf "the key of this test"\n' >"$work/ask"
chmod 700 "$work/ask"
cat >"$work/policies.d/all.conf" <<END
plaintext_filters = true;
filters = ( { filter = "encryption"; key = "exec:$work/ask"; format = true; pbkdf = "argon2id"; pbkdf_time = "10ms"; },
            { filter = "inspection"; trace = true; }, { filter = "replication"; target_type = "plain"; target = "nbd+unix:///?socket=$work/far.sock"; },
            { filter = "cache"; pool = "fast"; mode = "write-back"; }, { filter = "control"; iops = 100000; },
            { filter = "fault"; rate = 0.0; }, { filter = "pass"; } );
END
cat >"$work/weir.conf" <<END
pools = ( { name = "fast"; path = "$work/pool"; size = "64M"; } );
datastores = ( { name = "disks"; type = "file"; path = "$work/disks"; } );
exports = ( { name = "disk"; datastore = "disks"; image = "disk"; size = "48M"; policy = "all"; } );
include_policies = "policies.d";
END
chown -R "$user" "$work"
spawn far nbdkit -f -U "$work/far.sock" memory 32M
wait_until 60 listens "$work/far.sock"
chown "$user" "$work/far.sock"
sock=$work/nbd.sock
spawn gateway as weir@.service "" nbdkit -f -t 64 -U "$sock" "$plugin" conf="$work/weir.conf"
url="nbd+unix:///disk?socket=$sock"
wait_until 60 nbdinfo --size "$url"
cleanup_fn 'umount -l "$work/fs" 2>/dev/null || true'
spawn weirfs as weirfs.service sys_admin "$weirfs" --run="$WEIR_RUN" -f "$work/fs"
wait_until 60 test -e "$work/fs/exports/disk/state"

head -c 8M /dev/urandom >"$work/image"
nbdcopy --flush "$work/image" "$url"
nbdcopy "$url" "$work/back"
cmp -n $((8 << 20)) "$work/image" "$work/back" || fail "the confined gateway gives back other bytes"
node() { cat "$work/fs/exports/disk/$1"; }
assert_eq "$(node state) $(node compliance)" "active compliant" "$(node last_error)"
assert_eq "$(ls "$work/fs/exports/disk/filters" | sed 's/^[0-9]*-//' | sort | xargs)" \
    "cache control encryption fault inspection pass replication" "the filters"
cryptsetup isLuks "$work/disks/disk" || fail "the image is not encrypted"
wait_until 60 sh -c "nbdcopy 'nbd+unix:///?socket=$work/far.sock' - | cmp -n $((8 << 20)) - '$work/image'"
# its group may ask the gateway: that is what the umask is for
echo 50ms | tee "$work"/fs/exports/disk/filters/*-fault/options/delay >/dev/null
assert_eq "$(stat -c %A "$WEIR_RUN/ctl/main.sock")" srw-rw---- "the mode of the control socket"

# a unit that somebody made stricter than a gateway can bear says what it lacks
sed '/^\[Service\]/a RestrictSUIDSGID=yes' "$units/weir@.service" >"$work/strict@.service"
sed 's/^pools.*//; s/^include.*//; s/; policy = "all"//' "$work/weir.conf" >"$work/strict.conf"
units=$work sock=$work/strict.sock
WEIR_RUN=$work/strict-run WEIR_STATE=$work/strict-state spawn strict as strict@.service "" \
    nbdkit -f -t 64 -U "$sock" "$plugin" conf="$work/strict.conf"
wait_until 60 grep -q 'take RestrictSUIDSGID= out of the unit' "$work/strict.log"
units=$WEIR_BUILD/conf

# keys that need more of the kernel than a file: each provider's own test, confined
for test in ${CONFINED:-keyring pkcs11}; do
    as weir@.service "" env TMPDIR="$work" bash "$WEIR_SOURCE/tests/filter/encryption/keys-$test.sh" >"$work/$test.log" 2>&1 ||
        case $? in
        77) skip "keys by $test: $(tail -1 "$work/$test.log")" ;;
        *) fail "the unit denies what keys by $test need" ;;
        esac
done
