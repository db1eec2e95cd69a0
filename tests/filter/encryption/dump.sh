#!/bin/bash
# dump.sh - what does a core dump of a gateway tell of its disks' keys?  Nothing.
# SPDX-License-Identifier: BSD-3-Clause
threads=4                     # each has a stack in the dump
unset MALLOC_PERTURB_         # it would hide what was freed and not wiped
ulimit -c unlimited || true   # for the gateway
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
requires cryptsetup
[ -z "$(_preload)" ] || { echo "a sanitizer's shadow memory is too large to be dumped"; exit 0; }
cd "$work" # where the kernel writes it
serve "$(formatted)"
nbd 'for i in range(64): h.pwrite(block, i * 4096); expect(h.pread(4096, i * 4096), block)'
verb encryption lock >/dev/null
verb encryption unlock >/dev/null
nbd 'expect(h.pread(4096, 0), block)'
cryptsetup luksDump -q --dump-volume-key --volume-key-file "$work/volume" --key-file "$work/key" "$disk" >/dev/null

# search.py FILE maps|data: is there anything of the keys in the memory of a process, or in a core?
cat >search.py <<'END2'
import os, re, sys
volume, passphrase = open("volume", "rb").read(), open("key", "rb").read()
assert len(volume) == 64, len(volume)
here = os.getcwd().encode() # in any dump of this gateway, though not among its secrets
words = [volume[i:i + 8] for i in range(0, 64, 8)] + [passphrase]

def mapped(pid):
    """What a dump is told to leave out, and may be read."""
    for part in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", open(f"/proc/{pid}/smaps").read()):
        start, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", part).groups()
        if mode.startswith("rw") and re.search(r"VmFlags:.* dd\b", part):
            yield int(start, 16), int(end, 16) - int(start, 16)

def present(fd):
    end, at = os.fstat(fd).st_size, 0
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        hole = os.lseek(fd, at, os.SEEK_HOLE)
        yield at, hole - at
        at = hole

where, kind = sys.argv[1:]
fd = os.open(f"/proc/{where}/mem" if kind == "region" else where, os.O_RDONLY)
seen, searched = set(), 0
for at, size in mapped(where) if kind == "region" else present(fd):
    data = os.pread(fd, size, at)
    searched += len(data)
    seen |= {w for w in words if w in data} | {w for w in [here] if w in data}
print(searched >> 10, "KiB searched")
if kind == "region":
    assert len(seen) == 8, f"{len(seen)} parts of the keys are in the region, not 8: the volume key"
else:
    assert seen == {here}, f"{len(seen) - 1} parts of the keys are in the dump"
END2
python3 search.py "$gateway_pid" region || fail "the key is not where it is looked for: this test sees nothing"

case $(cat /proc/sys/kernel/core_pattern) in
'|'* | */*)
    requires gcore
    gcore -o core "$gateway_pid" >gcore.log 2>&1 || skip "gcore may not trace here: $(tail -1 gcore.log)" ;;
*)
    { kill -ABRT "$gateway_pid"; wait "$gateway_pid" || true; } 2>/dev/null ;; # no "Aborted" in the log
esac
python3 search.py "$(ls core*)" core
