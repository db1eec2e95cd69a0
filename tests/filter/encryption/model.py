"""model.py - what should a disk hold after random requests on eight connections?
SPDX-License-Identifier: BSD-3-Clause

model.py URI SEED write FILE   random requests, each read compared; the result goes to FILE
model.py URI SEED read FILE    is the disk as FILE says?
"""
import random
import sys
import threading

import nbd

CONNECTIONS, STRIP, REQUESTS = 8, 1003, 400
uri, seed, what, path = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
failures = []


def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h


def own_range(r, size, who):
    """A range in a strip of its own; now and then whole sectors of the last eighth."""
    area = size // 2  # strips; the rest belongs to one connection each, in one piece
    if r.random() < 0.2:
        part = area // CONNECTIONS
        at = area + who * part + r.randrange(part)
        return at, min(r.choice([4096, 70000, 1, 300000]), area + (who + 1) * part - at)
    strips = area // STRIP // CONNECTIONS
    strip = r.randrange(4 if r.random() < 0.7 else strips) * CONNECTIONS + who  # mostly few
    at = r.randrange(STRIP)
    return strip * STRIP + at, r.randrange(1, STRIP - at + 1)


def work(who, model):
    try:
        h, r = connect(), random.Random(seed * CONNECTIONS + who)
        for i in range(REQUESTS):
            at, length = own_range(r, len(model), who)
            kind = r.random()
            if kind < 0.55:
                data = r.randbytes(length)
                h.pwrite(data, at, nbd.CMD_FLAG_FUA if r.random() < 0.1 else 0)
                model[at:at + length] = data
            elif kind < 0.65:
                h.zero(length, at)
                model[at:at + length] = bytes(length)
            elif kind < 0.67:
                h.flush()
            else:
                seen = h.pread(length, at)
                assert seen == model[at:at + length], f"read of {length} at {at} by {who}, request {i}"
        h.flush()
        h.shutdown()
    except Exception as e:
        failures.append(e)


h = connect()
if what == "write":
    model = bytearray(h.get_size())
    for at in range(0, len(model), 1 << 20):  # a disk that was never written reads as noise
        h.pwrite(model[at:at + (1 << 20)], at)
    threads = [threading.Thread(target=work, args=(i, model)) for i in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    open(path, "wb").write(model)
model = open(path, "rb").read()
for at in range(0, len(model), 1 << 20):
    if h.pread(1 << 20, at) != model[at:at + (1 << 20)]:
        failures.append(f"the MiB at {at} is wrong")
sys.exit(f"seed {seed}: {failures}" if failures else 0)
