#!/usr/bin/env python3
"""Does a disk hold what was written to it?  Writes at random, keeps a model, compares.
SPDX-License-Identifier: BSD-3-Clause

model.py load URI FILE SEED OPERATIONS [BYTES]   writes, reads, trims and flushes
                                         at random, until done or the server dies
model.py check URI FILE                  compares all; what was in doubt is settled by what is there
model.py image PATH FILE                 the same with a file: the store without the cache

A sector says its number and its version 16 times over.  One that was being written when the server
died is the old or the new one: nothing else, and from then on it stays what it was seen to be.
What was answered survives the death of a process.  Four threads, each with its own chunks.
"""
import os
import pickle
import random
import struct
import sys
import threading

import nbd

SECTOR, CHUNK, THREADS = 512, 64 << 10, 4


def content(sector, version):
    return struct.pack("<QQ", sector, version) * 32 if version else bytes(SECTOR)


class Disk:
    def __init__(self, size):
        self.versions = [(0,)] * (size // SECTOR)  # of each sector; 0: zeroes
        self.next = 1
        self.lock = threading.Lock()

    def new_version(self):
        with self.lock:
            self.next += 1
            return self.next

    def compare(self, sector, data, what):
        for i in range(len(data) // SECTOR):
            seen = data[i * SECTOR:(i + 1) * SECTOR]
            may = self.versions[sector + i]
            for v in may:
                if seen == content(sector + i, v):
                    if len(may) > 1:
                        self.versions[sector + i] = (v,)
                    break
            else:
                sys.exit(f"{what}: sector {sector + i} is {describe(seen)}, not one of {may}")


def describe(data):
    sector, version = struct.unpack("<QQ", data[:16])
    return f"sector {sector} version {version}{'' if data == content(sector, version) else ', torn'}"


class Guest(threading.Thread):
    def __init__(self, uri, disk, number, seed, operations):
        super().__init__()
        self.disk, self.number, self.operations = disk, number, operations
        self.random = random.Random(seed * THREADS + number)
        self.error = None
        self.done = 0
        self.h = nbd.NBD()
        self.h.connect_uri(uri)

    def range(self):
        chunks = len(self.disk.versions) * SECTOR // CHUNK // THREADS
        chunk = int(chunks * self.random.random() ** 3) * THREADS + self.number
        first, most = chunk * CHUNK // SECTOR, CHUNK // SECTOR
        if self.random.random() < 0.5:  # whole blocks
            at = self.random.randrange(0, most, 8)
            return first + at, 8 * self.random.choice([n for n in (1, 1, 2, 8) if at + 8 * n <= most])
        at = self.random.randrange(most)
        return first + at, self.random.randint(1, min(20, most - at))

    def change(self, sector, count, versions, call):
        disk = self.disk
        before = disk.versions[sector:sector + count]
        disk.versions[sector:sector + count] = [b + v for b, v in zip(before, versions)]
        call()
        return before

    def step(self):
        sector, count = self.range()
        kind = self.random.random()
        offset, length = sector * SECTOR, count * SECTOR
        disk = self.disk
        if kind < 0.55:
            v = disk.new_version()
            data = b"".join(content(sector + i, v) for i in range(count))
            fua = nbd.CMD_FLAG_FUA if self.random.random() < 0.02 else 0
            self.change(sector, count, [(v,)] * count, lambda: self.h.pwrite(data, offset, fua))
            disk.versions[sector:sector + count] = [(v,)] * count
        elif kind < 0.92:
            disk.compare(sector, self.h.pread(length, offset), "read")
        elif kind < 0.95:
            self.change(sector, count, [(0,)] * count, lambda: self.h.zero(length, offset))
            disk.versions[sector:sector + count] = [(0,)] * count
        elif kind < 0.97:  # what it was, or zeroes
            self.change(sector, count, [(0,)] * count, lambda: self.h.trim(length, offset))
        else:
            self.h.flush()

    def run(self):
        try:
            for _ in range(self.operations):
                self.step()
                self.done += 1
        except nbd.Error as e:
            self.error = e
        except SystemExit as e:
            print("FAIL", e, flush=True)
            os._exit(1)


def load(uri, file, seed, operations, size=None):
    disk = restore(file) if os.path.exists(file) else None
    if not disk:
        h = nbd.NBD()
        h.connect_uri(uri)
        disk = Disk(int(size or h.get_size()))
    guests = [Guest(uri, disk, i, int(seed), int(operations)) for i in range(THREADS)]
    print("seed", seed, flush=True)
    for g in guests:
        g.start()
    print("loading", flush=True)
    for g in guests:
        g.join()
    print("ended after", [g.done for g in guests], {str(g.error) for g in guests}, flush=True)
    save(disk, file)


def restore(file):
    disk = pickle.load(open(file, "rb"))
    disk.lock = threading.Lock()
    return disk


def save(disk, file):
    disk.lock = None
    pickle.dump(disk, open(file, "wb"))


def check(disk, read):
    for sector in range(0, len(disk.versions), 2048):
        count = min(2048, len(disk.versions) - sector)
        disk.compare(sector, read(count * SECTOR, sector * SECTOR), "check")


def main(what, where, file, *more):
    if what == "load":
        return load(where, file, *more)
    disk = restore(file)
    if what == "check":
        h = nbd.NBD()
        h.connect_uri(where)
        check(disk, h.pread)
    else:
        fd = os.open(where, os.O_RDONLY)
        check(disk, lambda n, at: os.pread(fd, n, at))
    save(disk, file)


main(*sys.argv[1:])
