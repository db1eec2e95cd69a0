#!/usr/bin/env python3
"""rekey.py - is each byte of a disk what was last written there, whenever its gateway died?
SPDX-License-Identifier: BSD-3-Clause

rekey.py URI SEED fill MODEL      random bytes on the whole disk, and into the file MODEL
rekey.py URI SEED load MODEL      random requests on four connections until standard input
                                  ends or the gateway dies; the disk as it may be goes to MODEL
rekey.py URI SEED check MODEL     is the disk as MODEL says?

Each connection has every fourth strip of 5003 bytes.  A write that was not answered may have
arrived or not, by sectors: MODEL.doubt lists it, and its strip is not compared there.
"""
import json
import random
import sys
import threading
import time

import nbd

CONNECTIONS, STRIP = 4, 5003
QUIET = 1 << 20, 2 << 20  # is only read, so that who writes there is not a guest
uri, seed, what, path = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
stop, failures, doubt, done = threading.Event(), [], [], [0] * CONNECTIONS


def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h


def request(h, r, model, who):
    """One of its own strip; False: not answered."""
    strip = r.randrange(len(model) // STRIP // CONNECTIONS) * CONNECTIONS + who
    at = r.randrange(STRIP)
    length = r.randrange(1, STRIP - at + 1)
    at += strip * STRIP
    quiet = at < QUIET[1] + 4096 and at + length > QUIET[0] - 4096
    if r.random() < 0.5 and not quiet:
        data = r.randbytes(length)
        doubt.append((at, length))
        h.pwrite(data, at)
        model[at:at + length] = data
        doubt.remove((at, length))
    else:
        seen = h.pread(length, at)
        if seen != model[at:at + length] and not in_doubt(at, length):
            failures.append(f"read of {length} at {at} by {who}")


def in_doubt(at, length):
    return any(a < at + length and at < a + n for a, n in old_doubt)


def work(who, model):
    try:
        h, r = connect(), random.Random(seed * CONNECTIONS + who)
    except nbd.Error:
        return
    while not stop.is_set():
        try:
            request(h, r, model, who)
        except nbd.Error as e:
            if h.aio_is_dead() or h.aio_is_closed():
                return
            failures.append(str(e))
            return
        done[who] += 1


def load(model):
    threads = [threading.Thread(target=work, args=(i, model)) for i in range(CONNECTIONS)]
    for t in threads:
        t.start()
    while not all(n > 20 for n in done) and any(t.is_alive() for t in threads):
        time.sleep(0.005)
    print("works", flush=True)
    sys.stdin.read()
    stop.set()
    for t in threads:
        t.join()
    open(path, "wb").write(model)
    before = json.load(open(path + ".doubt"))
    json.dump(before + doubt, open(path + ".doubt", "w"))


def check(h, model):
    seen = bytearray()
    for at in range(0, len(model), 1 << 20):
        seen += h.pread(min(1 << 20, len(model) - at), at)
    for at, length in json.load(open(path + ".doubt")):
        model[at:at + length] = seen[at:at + length]
    json.dump([], open(path + ".doubt", "w"))
    for at in range(0, len(model), 512):
        if seen[at:at + 512] != model[at:at + 512]:
            failures.append(f"sector at {at} is wrong")
    open(path, "wb").write(model)


if what == "fill":
    h = connect()
    model = bytearray(random.Random(seed).randbytes(h.get_size()))
    for at in range(0, len(model), 1 << 20):
        h.pwrite(model[at:at + (1 << 20)], at)
    h.flush()
    open(path, "wb").write(model)
    json.dump([], open(path + ".doubt", "w"))
else:
    model = bytearray(open(path, "rb").read())
    old_doubt = json.load(open(path + ".doubt"))
    load(model) if what == "load" else check(connect(), model)
sys.exit(f"seed {seed}: {failures[:5]}" if failures else 0)
