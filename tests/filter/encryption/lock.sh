#!/bin/bash
# lock.sh - does lock let what is under way end, and keep everything else out until unlock?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
serve "$(formatted), { filter = \"fault\"; ops = \"read\"; from = \"16M\"; }"
nbd 'h.pwrite(block * 16, 0); h.flush()'

# ---- a read that waits below while the disk is locked: it ends, decrypted
option fault hold true
spawn reader nbdsh -u "$url" -c 'assert h.pread(65536, 0) == b"\x11" * 65536'
reader=$pid
held() { [ "$(statistic fault held)" = 1 ]; }
wait_until 60 held
verb encryption lock >"$work/said"
grep -q "still under way" "$work/said" || fail "$(cat "$work/said")"
assert_statistic encryption state locked
refused unlock "still under way"
verb fault release >/dev/null
wait "$reader" || fail "a read that was under way failed: $(cat "$work/reader.log")"
assert_eq "$(verb encryption lock)" "locked; the key is wiped"
option fault hold false
verb encryption unlock >/dev/null

# ---- under load: each request ends well, or with EIO after the lock and before unlock
cat >"$work/load.py" <<'END'
import errno, sys, threading, time, nbd

stop, failed, done = threading.Event(), [], [0] * 4
seen = [0] * 4  # EIO

def work(who):
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    i = 0
    while not stop.is_set():
        i += 1
        data, at = bytes([who + 1, i % 256]) * 1500, who * 65536 + 17
        try:
            h.pwrite(data, at)
            if h.pread(3000, at) != data:
                failed.append("wrong bytes")
            done[who] += 1
        except nbd.Error as e:
            if e.errnum != errno.EIO:
                failed.append(str(e))
            seen[who] += 1
            time.sleep(0.001)

threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in threads:
    t.start()
for line in sys.stdin:  # what the shell asks for: all worked, or all failed, since then
    counts = done if line == "works\n" else seen
    before = list(counts)
    end = time.monotonic() + 60
    while time.monotonic() < end and any(c < b + 3 for c, b in zip(counts, before)):
        time.sleep(0.001)
    print("yes" if all(c >= b + 3 for c, b in zip(counts, before)) else "no", flush=True)
    if line == "fails\n":  # and nothing else goes on
        before = list(done)
        time.sleep(0.02)
        if before != done:
            failed.append("a request was served by a locked disk")
stop.set()
for t in threads:
    t.join()
sys.exit(str(failed[:5]) if failed else 0)
END
coproc load { python3 "$work/load.py" "$url"; }
# shellcheck disable=SC2154
ask() { echo "$1" >&"${load[1]}" && read -r answer <&"${load[0]}" && assert_eq "$answer" yes "all requests: $1"; }
for _ in 1 2 3 4 5; do
    ask works
    assert_eq "$(verb encryption lock)" "locked; the key is wiped"
    ask fails
    verb encryption unlock >/dev/null
done
ask works
exec {end}>&"${load[1]}"
eval "exec ${load[1]}>&-" "$end>&-"
# shellcheck disable=SC2154
wait "$load_PID" || fail "the load failed"

# ---- nothing but unlock undoes it: no policy, no close and open, no other gateway; nor twice
verb encryption lock >/dev/null
assert_locked "unlock asks for it again"
printf 'name = "p"; filters = ( %s, { filter = "inspection"; } );\n' "$(encrypted)" >"$work/new.conf"
"$weirctl" policy set p "$work/new.conf"
assert_locked "unlock asks for it again"
"$weirctl" export lock vm1 "by hand"
code=0
"$weirctl" export unlock vm1 >"$work/said" 2>&1 || code=$?
assert_eq "$code" 4 "the exit code of an unlock that leaves the export locked"
grep -q "still locked, by one of its filters: the verb lock took the key away" "$work/said" || fail "$(cat "$work/said")"
"$weirctl" events | grep -q "no longer locked by hand, but by a filter still" || fail "$("$weirctl" events)"
"$weirctl" export close vm1
"$weirctl" export open vm1
assert_locked "unlock asks for it again"
kill_server
serve "$(encrypted)"
assert_locked "unlock asks for it again"
verb encryption unlock >/dev/null
kill_server
serve "$(encrypted)"
nbd 'expect(h.pread(4096, 32768), block)'

# ---- the header is gone meanwhile: the one in memory serves, and that is said
requires cryptsetup
verb encryption lock >/dev/null
head -c 32K "$disk" >"$work/header"
dd if=/dev/zero of="$disk" bs=32K count=1 conv=notrunc status=none
verb encryption unlock >/dev/null
nbd 'expect(h.pread(4096, 32768), block)'
grep -q "the only good copy" "$work/gateway.log" || fail "nobody was told that the header is gone"
dd if="$work/header" of="$disk" conv=notrunc status=none

# ---- a key slot that was removed meanwhile, by others, does not open
verb encryption lock >/dev/null
verb encryption unlock >/dev/null
verb encryption lock >/dev/null
PATH=$PATH:/usr/sbin:/sbin cryptsetup luksErase -q "$disk"
refused unlock "the header has no key slot"
assert_locked "the header has no key slot"
