#!/bin/bash
# hostile.sh - does a gateway serve its clients while others throw rubbish at each of its doors?
# SPDX-License-Identifier: BSD-3-Clause
#
# hostile.sh [SEED]: WEIR_HOSTILE_SECONDS at each door, 3 by default, while a client writes and
# verifies; then many connections that say nothing, up to the limit of descriptors.
. "$WEIR_SOURCE/tests/system/system.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdinfo nbdsh jq prlimit
needs_weir
seed=${1:-$RANDOM} seconds=${WEIR_HOSTILE_SECONDS:-3}
echo "seed $seed, $seconds seconds at each door"

policy gold '{ filter = "inspection"; }, { filter = "fault"; rate = 0.0; }'
policy own '{ filter = "pass"; }'
disk kept 16M own
disk vm1 1M gold # what the corpus of the control socket names
disk ranges 1M own
mkdir "$work/vault"
for one in 'name = "log:db"; image = "log:db"' 'name = "far"; image = "db/far"'; do
    _exports+=("{ $one; datastore = \"dr\"; policy = \"own\"; }")
done
write_conf
sed -i "s|^datastores = (|&{ name = \"dr\"; type = \"vault\"; path = \"$work/vault\"; history = \"24h\"; }, |" "$work/weir.conf"
serve
pid_of_gateway=$gateway_pid
"$WEIR_BUILD/tests/vault/vault-feed" "$(uri log:db)" disk:0:far:1048576 write:0:0:65536:7 mark:first send >/dev/null
far_is_whole() {
    assert_eq "$(nbdsh -u "$(uri far@rp:first)" -c 'print(set(h.pread(65536, 0)), set(h.pread(65536, 65536)))')" "{7} {0}" "$1"
}
far_is_whole "before"
resident() { awk '/VmRSS/ { print $2 }' "/proc/$gateway_pid/status"; }
descriptors() { ls "/proc/$gateway_pid/fd" | wc -l; }
lives() {
    alive "$gateway_pid" && [ "$gateway_pid" = "$pid_of_gateway" ] || fail "the gateway died of $1"
    ! grep -iE 'assert|runtime error|Sanitizer|lost its' "$work/gateway.log" || fail "the gateway complains of $1"
}

# ---- the client whom all this must not touch -------------------------------------------
cat >verify.py <<'END'
import os, random, sys
import nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
random.seed(int(sys.argv[2]))
holds, rounds = {}, 0
while not os.path.exists("stop"):
    at = random.randrange(4096) * 4096
    if at in holds and random.random() < 0.5:
        assert h.pread(4096, at) == holds[at], f"other bytes at {at}"
    else:
        holds[at] = random.randbytes(4096)
        h.pwrite(holds[at], at)
    rounds += 1
    if rounds % 100 == 0:
        h.flush()
        print(rounds, flush=True)
for at, bytes in holds.items():
    assert h.pread(4096, at) == bytes, f"other bytes at {at}"
h.shutdown()
print("verified", flush=True)
END
spawn verify /usr/bin/python3 verify.py "$(uri kept)" "$seed"
verify_pid=$pid
rounds() { tail -n 1 verify.log; }
goes_on() { # WHAT: at the end of it the client still gets its answers
    local before; before=$(rounds)
    served() { [ "$(rounds)" != "$before" ]; }
    alive "$verify_pid" || fail "$1: $(cat verify.log)"
    wait_until 60 served
    lives "$1"
}
wait_until 60 test -s verify.log

# ---- rubbish ------------------------------------------------------------------------------
cat >throw.py <<'END'
"""throw.py DOOR SOCKET SEED SECONDS"""
import glob, os, random, select, socket, struct, sys, time
import nbd
door, path, seed, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
random.seed(f"{door} {seed}")
end = time.monotonic() + seconds
corpus = os.environ["WEIR_SOURCE"] + "/tests/fuzz/corpus/"
def seeds(*folders):
    return [open(f, "rb").read() for folder in folders for f in sorted(glob.glob(corpus + folder + "/*"))]
def mutated(data):
    data = bytearray(data)
    for _ in range(random.choice((0, 1, 1, 2, 8))):
        at = random.randrange(len(data) + 1)
        kind = random.randrange(6)
        if kind == 0:
            data[at:at + 1] = bytes([random.choice((0, 0x0a, 0x1b, 0x22, 0x5c, 0x7b, 0x80, 0xff, random.randrange(256)))])
        elif kind == 1:
            data[at:at] = random.randbytes(random.randrange(1, 9))
        elif kind == 2:
            del data[at:at + random.randrange(1, 33)]
        elif kind == 3:
            data[at:at] = data[random.randrange(len(data) + 1):][:64]
        elif kind == 4:
            data[at:at] = random.choice((b"../", b"%00", b"%2F", b"\xc0\xaf", b"\x80" * 200, b"[" * 40, b"9" * 30, b"-1", b"null", b"\\u0000"))
        else:
            data[at:at + 8] = struct.pack(">Q", random.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)))
    return bytes(data)
def connected():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return s
def heard(s):
    """What comes, whatever it is, until nothing comes for a moment."""
    got = 0
    while select.select([s], [], [], 0.002)[0]:
        try:
            more = s.recv(1 << 20)
        except ConnectionError:
            return None
        if not more:
            return None
        got += len(more)
    return got

def control():
    lines = [line for data in seeds("control") for line in data.splitlines()]
    while True:
        s = connected()
        for _ in range(random.randrange(1, 40)):
            kind = random.randrange(12)
            line = random.randbytes(random.randrange(300)) if kind == 0 else mutated(random.choice(lines))
            if b"kept" in line or b"ranges" in line:
                continue
            if kind == 1:
                line = line[:random.randrange(len(line) + 1)]  # no end, the next is its end
            elif kind == 2:
                line += b" " * random.choice((4095, 70000, 1 << 20)) + b"\n"
            else:
                line += b"\n"
            try:
                s.sendall(line)
            except (ConnectionError, TimeoutError):
                break
            yield
            if kind > 3 and heard(s) is None:
                break
        s.close()

def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF

def vault():
    log_at, command_at = 1 << 50, 4096
    segments = [open(f, "rb").read(1 << 20) for f in glob.glob("vault/**/*", recursive=True) if os.path.isfile(f)]
    frames = [data[data.index(b"WEIRLOG1"):][:8192] for data in segments if b"WEIRLOG1" in data]
    frames += [f for f in seeds("frame") if len(f) > 128]
    assert len(frames) > 3, "no frame of the vault's own was found"
    pages = [p for p in seeds("page") if len(p) == 4096]
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_export_name("log:db")
    h.connect_unix(path)
    while True:
        try:
            kind = random.randrange(6)
            if kind == 0:
                page = bytearray(mutated(random.choice(pages))[:4096].ljust(4096, b"\0"))
                page[4092:] = struct.pack("<I", crc32c(page[:4092])) if random.random() < 0.5 else page[4092:]
                h.pwrite(bytes(page), command_at)
            elif kind == 1:
                h.pread(random.choice((1, 512, 4096, 65536)), random.choice((0, 4095, 4096, 1 << 32, (1 << 32) + 7, (1 << 36) + (1 << 32),
                        1 << 50, 1 << 61, (1 << 61) + 4095, (1 << 62) - 65536, random.randrange(1 << 62))))
            elif kind == 2:
                h.zero(4096, random.choice((0, 4096, 1 << 50)))
            else:
                frame = bytearray(mutated(random.choice(frames)))
                frame = frame.ljust(-(-len(frame) // 4096) * 4096, b"\0")
                if random.random() < 0.8:  # all but its fields is right
                    frame[:12] = b"WEIRLOG1\1\0\x80\0"
                    frame[124:128] = struct.pack("<I", crc32c(frame[:124]))
                h.pwrite(bytes(frame), log_at + random.choice((0, 4096, 8192, 12288, 512, 1 << 26, random.randrange(1 << 40) * 4096)),
                         random.choice((0, nbd.CMD_FLAG_FUA)))
        except nbd.Error as error:
            if h.aio_is_dead() or h.aio_is_closed():
                raise SystemExit(f"the gateway hung up: {error}")
        yield

def nbd_requests():
    """Ranges and flags that no client should send, on an export that is open."""
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_export_name("ranges")
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    h.connect_unix(path)
    size = h.get_size()
    places = (0, 1, 511, size - 1, size - 512, size, size + 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63 - 4096)
    lengths = (0, 1, 511, 512, 4096, 65536, size, size + 1, 2**31 - 1, 2**31, 2**32 - 1)
    while True:
        at, length, flags = random.choice(places), random.choice(lengths), random.choice((0, 0, 1, 2, 4, 8, 16, 31))
        inside = at + length <= size
        call = random.randrange(6)
        try:
            if call == 0:
                h.pread(min(length, 1 << 22), at)
            elif call == 1:
                h.pwrite(bytes(min(length, 1 << 20)), at, flags & 1)
                inside = at + min(length, 1 << 20) <= size
            elif call == 2:
                h.block_status(length, at, lambda *_: 0, flags & 8)
            else:
                (h.zero, h.trim, h.cache)[call - 3](length, at, flags if call < 5 else 0)
            assert inside or call == 0 and at + min(length, 1 << 22) <= size, f"{call} {at} {length} was served"
        except nbd.Error as error:
            if h.aio_is_dead() or h.aio_is_closed():
                raise SystemExit(f"the gateway hung up: {error}")
        yield

def nbd_talk():
    """Negotiations; none gets as far as a request that would be in flight when its client goes."""
    while True:
        s = connected()
        try:
            s.recv(18)
            s.sendall(random.choice((struct.pack(">I", 3), random.randbytes(4))))
            for _ in range(random.randrange(1, 6)):
                option = random.choice((2, 3, 4, 6, 8, 9, 10, 11, random.getrandbits(32)))
                body = random.randbytes(random.choice((0, 1, 4, 6, 64, 5000)))
                length = random.choice((len(body), len(body), len(body) + 1, 2**16, 2**32 - 1))
                s.sendall(random.choice((b"IHAVEOPT", b"IHAVEOPT", b"ihaveopt")) + struct.pack(">II", option, length) + body)
                if length == len(body) and heard(s) is None:
                    break
                yield
        except (ConnectionError, TimeoutError):
            pass
        s.close()
        yield

thrown = 0
for _ in {"control": control, "vault": vault, "requests": nbd_requests, "talk": nbd_talk}[door]():
    thrown += 1
    if time.monotonic() > end:
        break
print(thrown, "thrown at", door)
END
assert_grown() { # BEFORE WHAT: 256 MiB is what 64 lines of the longest kind may take
    local now; now=$(resident)
    [ "$now" -lt $(($1 + 262144)) ] || fail "$2: from $1 KiB to $now KiB"
}
settled=$(descriptors)
before=$(resident)
for door in control vault requests talk; do
    at=$sock
    [ $door != control ] || at=$WEIR_RUN/ctl/main.sock
    for i in 1 2; do spawn "throw$i" /usr/bin/python3 throw.py $door "$at" "$((seed + i))" "$seconds" && eval "thrower$i=\$pid"; done
    for one in "$thrower1" "$thrower2"; do wait "$one" || fail "$door: $(cat throw?.log)"; done
    cat throw?.log
    goes_on "$door"
    assert_grown "$before" "$door"
done
assert_eq "$("$weirctl" --json export list | jq '.exports | length')" 5 "exports afterwards"
far_is_whole "what the vault had before"
# Thousands of connections came and went.  Who verifies has one, one may just be going, and a vault
# opens the files of its log as they are asked for.
is_settled() {
    [ "$(descriptors)" -le $((settled + 16)) ] || { ls -l "/proc/$gateway_pid/fd" >"$work/descriptors.log"; false; }
}
wait_until 60 is_settled

# ---- those who say nothing, or half of it -------------------------------------------------
cat >silent.py <<'END'
"""silent.py SOCKET COUNT [BYTES]: so many connections, each says BYTES; then waits for a line"""
import resource, socket, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 20000), limit))
kept = []
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(sys.argv[1])
        s.send(sys.argv[3].encode() if len(sys.argv) > 3 else b"")
    except (BlockingIOError, ConnectionError):
        pass  # nobody takes any more
    kept.append(s)
print("said", flush=True)
open("go", "rb").read()
END
silent() { # NAME ARGUMENTS…: until `loud`
    rm -f go && mkfifo go
    spawn "$1" /usr/bin/python3 silent.py "${@:2}"
    silent_pid=$pid
    wait_until 60 grep -q said "$1.log"
}
loud() { echo >go; wait "$silent_pid"; }

# the control socket serves 64, tells the next one so, and is there again when they go
silent half "$WEIR_RUN/ctl/main.sock" 300 '{"op":'
goes_on "half a line from 300 connections"
if "$weirctl" --timeout=5 status >said 2>&1; then fail "more than 64 were served: $(cat said)"; fi
grep -q 'gateway "main": the gateway serves 64 control connections, which is its limit' said || fail "$(cat said)"
[ "$(descriptors)" -le $((settled + 70)) ] || fail "$(descriptors) descriptors of a gateway that serves 64"
loud
answers_again() { "$weirctl" status; }
wait_until 60 answers_again

# NBD: a client that says nothing costs descriptors.  Where there are no more, who is served goes on;
# nbdkit does not give back those of a connection that it could not serve, see nbdkit-weir-plugin(1).
prlimit --pid "$gateway_pid" --nofile=256:256
silent crowd "$sock" 1000
full() { [ "$(descriptors)" -ge 250 ]; }
wait_until 60 full
goes_on "1000 connections that say nothing, with 256 descriptors"
loud
goes_on "when they have gone"
touch stop
wait "$verify_pid" || fail "$(cat verify.log)"
grep -q verified verify.log || fail "$(cat verify.log)"
lives "all of it"
