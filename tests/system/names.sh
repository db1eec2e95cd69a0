#!/bin/bash
# names.sh - is a name that is a path, a line of its own or a terminal's command ever more than a name?
# SPDX-License-Identifier: BSD-3-Clause
#
# Each of the names goes everywhere where somebody gives one: a client of NBD, the control socket, the
# mount, a configuration.  None becomes a file, a policy or an export; each line of the log is one of
# the gateway's, and nothing in it, or in what weirctl prints, is for a terminal to obey.
. "$WEIR_SOURCE/tests/system/mount/mount.sh"
requires nbdkit nbdinfo jq
mkdir -p "$work/etc/policies.d" "$work/etc/exports.d" "$work/disks" "$work/outside"
write_conf() { # EXPORT DATASTORE POOL POLICY
    printf 'include_policies = "policies.d"; include_exports = "exports.d";
datastores = ( { name = "%s"; type = "file"; path = "%s/disks"; } );
exports = ( { name = "%s"; datastore = "%s"; image = "one"; size = "1M"; policy = "%s"; } );\n' \
        "$2" "$work" "$1" "$2" "$4"
    [ -z "$3" ] || printf 'pools = ( { name = "%s"; path = "%s/pool"; size = "64M"; } );\n' "$3" "$work"
}
write_conf vm1 disks '' gold >"$work/etc/weir.conf"
echo 'filters = ( { filter = "fault"; } );' >"$work/etc/policies.d/gold.conf"
start_gateway "$work/etc/weir.conf"
start_weirfs

cat >"$work/throw.py" <<'END'
"""throw.py SOCKET RUN MOUNT WORK: throws each name at each door."""
import errno, json, os, socket, struct, subprocess, sys
sys.path.insert(0, os.environ["WEIR_SOURCE"] + "/tests/system")
from control import Control
nbd_socket, run, mount, work = sys.argv[1:]
NAMES = [
    b"../outside/x", b"../../outside/x", b"/outside", b"a/../../outside/x", b"..", b".", b".hidden", b"-rf", b"--help", b"",
    b"a\nb", b"x\n" + b"weir: time=2026-01-01T00:00:00.000Z severity=error export=vm1 text=\"forged\"",
    b"a\rb", b"a\tb", b"\x1b[2J\x1b[31mred", b"a\x07b", b"a\x7fb", b"a\x00b", b"vm1\x00", b"\x9b2J", b"\xc2\x9b2J", b"\xff\xfe",
    b"a" * 60 + b"\x80" * 100, b"\x80" * 300, b"l" * 129, b"l" * 300, b"l" * 4096, b"l" * 4097, b"\xe2\x80\xaegnp", b"na\xc3\xafve", b"vm1 severity=error", b'vm1" text="x',
    b"vm1/../vm1", b"vm1/", b"vm1//x", b"%2e%2e", b"%", b"vm1%00", b"vm1@..", b"vm1@\x1b[2J", b"vm1@rp:a\nb", b"log:", b"$(id)", b"a;b",
]

def exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            return got
        got += more
    return got

def over_nbd(name):
    for option in (7, 6, 1):  # GO, INFO, EXPORT_NAME
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(nbd_socket)
        exactly(s, 18)
        body = name if option == 1 else struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
        s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", option, len(body)) + body)
        if option == 1:
            got = exactly(s, 10)
            opened = len(got) == 10
        else:
            head = exactly(s, 20)
            opened = len(head) == 20 and struct.unpack(">I", head[12:16])[0] in (1, 3)
        # the only export is the default, which is what the empty name means
        assert opened == (name == b""), (option, name)

control = Control(run)
def asked(**request):
    # bytes that are no UTF-8 go as they are
    control.socket.sendall(json.dumps(request, ensure_ascii=False).encode(errors="surrogateescape") + b"\n")
    return json.loads(control.stream.readline())

def over_control(name):
    text = name.decode(errors="surrogateescape")
    policy = 'filters = ( { filter = "pass"; } );'
    answers = [asked(op="set", path=f"policies/{part}", text=policy)
               for part in {text, text.replace("/", "%2F"), "".join(f"%{b:02X}" for b in name)}]
    answers += [asked(op=op, path=f"{folder}/{text}") for op in ("list", "get", "remove")
                for folder in ("policies", "exports", "datastores", "filters", "exports/vm1/filters", "gateways", "")
                if text.strip("/.") or folder]
    answers += [asked(op="do", verb=verb, export=text) for verb in ("open", "close", "stun", "delete-check")]
    if text:  # no policy is one, too
        answers.append(asked(op="do", verb="assign", export="vm1", policy=text))
        answers.append(asked(op="set", path="exports/vm1/policy", text=text + "\n"))
    answers += [asked(op="do", verb=verb, export="vm1", name=text) for verb in ("snapshot",)]
    if any(b < 32 or b == 127 for b in name):
        answers += [asked(op="do", verb=verb, export="vm1", name=text) for verb in ("clone", "migrate")]
        answers.append(asked(op="do", verb="lock", export="vm1", reason=text))
    for answer in answers:
        assert not answer["ok"], (name, answer)
    asked(op="set", path="exports/vm1/filters/10-fault/ctl", text=text)

def over_mount(name):
    if b"\0" in name or b"/" in name or name in (b"", b".", b".."):
        return
    root = mount.encode()
    def tried(call, *arguments):
        try:
            return call(*arguments)
        except OSError as error:
            assert error.errno != errno.EIO, (call, arguments, error)
    def written(path):
        with open(path, "wb") as file:
            file.write(b'filters = ( { filter = "pass"; } );\n')
    for folder in (b"/policies/", b"/exports/", b"/exports/vm1/", b"/filters/", b"/"):
        tried(written, root + folder + name)
        tried(os.mkdir, root + folder + name)
        tried(os.rename, root + b"/policies/gold", root + folder + name)
        tried(os.symlink, b"/etc/passwd", root + folder + name)
        tried(os.unlink, root + folder + name)
        tried(os.rmdir, root + folder + name)

for name in NAMES:
    over_nbd(name)
    over_control(name)
    over_mount(name)
    with open(f"{work}/names", "ab") as file:
        file.write(name.replace(b"\n", b"\\n").replace(b"\0", b"\\x00") + b"\n")
print(len(NAMES), "names thrown")
END
before() { (cd "$work" && find etc outside state disks -printf '%y %m %p\n' | sort); }
before >"$work/before"
/usr/bin/python3 "$work/throw.py" "$sock" "$WEIR_RUN" "$mnt" "$work" || fail "a name was more than a name"
before >"$work/after"
diff "$work/before" "$work/after" || fail "a name became a file"
assert_eq "$("$weirctl" --json policy list | jq -r '[.policies[].name] | join(" ")')" gold "the policies"
assert_eq "$("$weirctl" --json export list | jq -r '[.exports[].name] | join(" ")')" vm1 "the exports"
is "$mnt/exports/vm1/state" active
is "$mnt/exports/vm1/policy" gold

# what is said of them, wherever it is said: lines, and nothing but text in them
"$weirctl" events >"$work/events.log" 2>&1
"$weirctl" status >"$work/status.log" 2>&1
"$weirctl" export show vm1 >"$work/show.log" 2>&1
"$weirctl" metrics >"$work/metrics.log" 2>&1
cat "$mnt/events" "$mnt/last_error" "$mnt/exports/vm1/last_error" "$mnt/exports/vm1/reason" >"$work/mount.log" 2>/dev/null || true
/usr/bin/python3 - "$work" <<'END'
import re, sys
lines = 0
for name in ("gateway", "events", "status", "show", "metrics", "mount"):
    data = open(f"{sys.argv[1]}/{name}.log", "rb").read()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        lines += 1
        bad = re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", line)
        assert not bad, f"{name}.log:{number}: {line!r}"
        if name == "gateway":
            assert re.match(rb"weir: time=\S+ severity=\w+( export=(\"([^\"\\]|\\.)*\"|[\w./@:+%-]+))?"
                            rb"( filter=[\w.-]+)? text=\"([^\"\\]|\\.)*\"$|nbdkit: ", line), line
            assert b"forged" not in line or b'\\n' in line, line
assert lines > 100, lines
END

# a configuration with one is refused, with its place, and never half read
while IFS= read -r name; do
    # only what a file can say so
    case $name in vm1@* | '%' | *l*l*l* | '' | *\"*) continue ;; esac
    for place in 0 1 2; do
        what=(vm1 disks '') && what[place]=$(printf '%s' "$name" | sed 's/\\/\\\\/g')
        write_conf "${what[0]}" "${what[1]}" "${what[2]}" gold >"$work/etc/try.conf"
        status=0
        "$weirctl" check "$work/etc/try.conf" >"$work/said" 2>&1 || status=$?
        assert_eq $status 4 "weirctl check of the name '$name' at place $place: $(cat "$work/said")"
        grep -q 'try.conf:[0-9]*:[0-9]*: ' "$work/said" || fail "no place: $(cat "$work/said")"
        ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$work/said" || fail "control characters: $(cat -v "$work/said")"
    done
done <"$work/names"
rm "$work/etc/try.conf"

# The longest names that are some, with many slashes in them, have all that a disk has: but for the
# one whose file would have a longer name than the file system knows, which says so.
long=$(printf 'a/%.0s' {1..20})$(printf 'l%.0s' {1..88}) most=$(printf 'a/%.0s' {1..63})ab
for name in "$long" "$most"; do
    assert_eq ${#name} 128
    printf 'exports = ( { name = "%s"; datastore = "disks"; image = "%s"; size = "1M"; policy = "gold"; } );\n' \
        "$name" "long-${name: -1}" >"$work/etc/exports.d/${name: -1}.conf"
done
"$weirctl" reload >/dev/null || fail "the longest names were refused"
in_mount() { printf '%s/exports/%s' "$mnt" "${1//\//%2F}"; }
echo 'filters = ( { filter = "inspection"; } );' >"$(in_mount "$long")/policy.conf" # its own, which becomes a file
if echo 'filters = ( { filter = "inspection"; } );' | tee "$(in_mount "$most")/policy.conf" >/dev/null 2>&1; then
    fail "an edit that cannot be kept was taken"
fi
grep -q 'cannot be \(read\|written\): File name too long' "$mnt/last_error" || fail "$(cat "$mnt/last_error")"
for turn in live restarted; do
    is "$(in_mount "$long")/chain" inspection
    is "$(in_mount "$most")/chain" fault
    for name in "$long" "$most"; do
        assert_eq "$(nbdinfo --size "$(uri "$(jq -rn --arg name "$name" '$name | @uri')")")" 1048576 "$turn: the size"
    done
    [ $turn = live ] || break
    stop_gateway
    start_gateway "$work/etc/weir.conf"
done
assert_eq "$(cd "$work/etc/overrides.d" && ls)" "${long//\//%2F}.conf" "the files of both"
