# case_cache_flush.py - how long does a flush take when much is dirty?
# SPDX-License-Identifier: BSD-3-Clause
"""A block is written and flushed, again and again: the time of the flush alone.  "Bare" is the same
with a file of the pool's file system that has been written before, and fdatasync(2); "plain" is weir
without a cache on another such file, which is one NBD round trip away as the others are.  The first flush after so many blocks were written has to make
them durable, too."""
import os
import random
import time

from cached import MIB, Cached, Rival, image, write_all
from lab import goal, span, table

DIRTY = (0, 256, 65536)  # blocks
DISK = 512               # MiB
POOL = 8192              # MiB: half of what may be dirty in it is not destaged before its time
BARE, PLAIN, CACHE, RIVAL = "bare fdatasync", "weir, plain", "weir, cache", "nbdkit cache"


class Bare:
    """A file, all of it written."""

    def __init__(self, path):
        self.block, self.some = os.urandom(4096), os.urandom(MIB)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.write(DISK * MIB)
        os.fsync(self.file)

    def write(self, size):
        for at in range(0, size, MIB):
            os.pwrite(self.file, self.some, at)

    def flush(self):
        os.pwrite(self.file, self.block, random.randrange(DISK * MIB // 4096) * 4096)
        begun = time.monotonic()
        os.fdatasync(self.file)
        return (time.monotonic() - begun) * 1e6

    def measure(self, o, blocks):
        """(the first flush, p50 of those that follow), after so many blocks were written, us"""
        self.write(blocks * 4096)
        first, then, end = self.flush(), [], time.monotonic() + o.seconds
        while time.monotonic() < end:
            then.append(self.flush())
        return first, sorted(then)[len(then) // 2]


class Served:
    """A server; `cached`: with our cache."""

    def __init__(self, server, cached=False):
        self.server, self.cached = server, cached

    def measure(self, o, blocks):
        server = self.server
        if self.cached:
            server.drain()
        if blocks:
            write_all(server, blocks * 4096 // MIB)
        client = server.client(server.export, op="flush", span=DISK * MIB)
        answers = server.lab.load(o.seconds, [client])[0][0]
        if self.cached:
            dirty, = server.count("dirty_bytes")
            if dirty < blocks * 4096:
                print(f"  (only {dirty // 4096} blocks were dirty then)")
        return answers.first * 1e6, answers.part(.5)


def targets(lab):
    for name in ("cache", "rival"):
        with open(os.path.join(lab.media, name), "wb") as file:
            file.truncate(DISK * MIB)
    image(os.path.join(lab.media, "plain"), DISK)
    store = f'type = "file"; path = "{lab.media}";'
    plain = Cached(lab, "plain", store, 'image = "plain";')
    cache = Cached(lab, "cache", store, 'image = "cache";',
                   'mode = "write-back"; destage_delay = "1h"; dirty_limit = "90%"; '
                   'sequential = "none";', POOL)
    rival = Rival(lab, "rival", "file", os.path.join(lab.media, "rival"))
    # the ring of the log has been gone through: what a file system does when blocks of a file are
    # written for the first time is not what a cache costs from then on
    while cache.count("pool_written_bytes")[0] < POOL * MIB // 10:
        write_all(cache, DISK)
    return {BARE: Bare(os.path.join(lab.media, "bare")), PLAIN: Served(plain),
            CACHE: Served(cache, True), RIVAL: Served(rival)}


def flush(lab, o):
    """Flushes with 0, 256 and 65,536 dirty blocks"""
    found = targets(lab)
    got = {(blocks, name): [] for blocks in DIRTY for name in found}
    for _ in range(o.rounds):
        for blocks in DIRTY:
            for name, target in found.items():
                got[blocks, name].append(target.measure(o, blocks))
    table(["dirty blocks", "", "the first flush, ms", "then, p50, us", "of bare"],
          [(blocks, name, span([first / 1000 for first, _ in runs], 1),
            span([then for _, then in runs], 0),
            span([a / b for (_, a), (_, b) in zip(runs, got[blocks, BARE])]))
           for (blocks, name), runs in got.items()])
    for base, words in ((BARE, "a bare fdatasync"), (PLAIN, "a flush of the file store")):
        for blocks in DIRTY:
            goal(f"flush p50 with {blocks:,} dirty blocks, of {words}", [
                a / b for (_, a), (_, b) in zip(got[blocks, CACHE], got[blocks, base])], 1.15)
    most = DIRTY[-1]
    goal(f"flush p50 with {most:,} dirty blocks, of one with none", [
        a / b for (_, a), (_, b) in zip(got[most, CACHE], got[0, CACHE])], 1.15)
    goal(f"the first flush after {most:,} blocks, of bare", [
        a / b for (a, _), (b, _) in zip(got[most, CACHE], got[most, BARE])], 1.15)
