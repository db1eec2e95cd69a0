"""host.py - what goes wrong at the host of one gateway, and what does a loss of power take back?
SPDX-License-Identifier: BSD-3-Clause

The other half of host.c.
"""
import errno
import mmap
import os
import struct

PAGE = struct.Struct("<qIIII8sII")
RECORD = struct.Struct("<8sQQQQQ")
READS, WRITES, SYNCS, TORN = 1, 2, 4, 8
PIECE = 4096  # what a device writes at once


class Host:
    def __init__(self, folder):
        self.root, self.path, self.undo = folder, folder + "/page", folder + "/undo"
        with open(self.path, "wb") as f:
            f.write(bytes(4096))
        fd = os.open(self.path, os.O_RDWR)
        self.page = mmap.mmap(fd, 4096)
        os.close(fd)
        self.clock, self.memory, self.files = 0, 0, (0, 0, 0, b"")
        self.tell()

    def environment(self, library):
        return {"LD_PRELOAD": library, "WEIR_SOAK_PAGE": self.path, "WEIR_SOAK_ROOT": self.root,
                "WEIR_SOAK_UNDO": self.undo}

    def tell(self):
        chance, what, error, folders = self.files
        self.page[:PAGE.size - 8] = PAGE.pack(self.clock, self.memory, chance, what, error, folders, 0, 0)[:-8]

    def refused(self):
        return PAGE.unpack(self.page[:PAGE.size])[-2:]

    def clock_step(self, seconds):
        self.clock += int(seconds * 1e9)
        self.tell()

    def short_of_memory(self, per_million):
        self.memory = per_million
        self.tell()

    def files_fail(self, chance, what, error, folders):
        self.files = (chance, what, error, folders.encode())
        self.tell()

    def clear(self):
        self.memory, self.files = 0, (0, 0, 0, b"")
        self.tell()

    def begin_life(self):
        """What the life before has not synced is with the kernel: it is as good as synced."""
        if os.path.exists(self.undo):
            os.unlink(self.undo)

    # ---- loss of power ----

    def not_synced(self):
        """By inode the writes that no sync has covered, oldest first."""
        writes = {}
        if not os.path.exists(self.undo):
            return writes
        with open(self.undo, "rb") as f:
            log = f.read()
        at = 0
        while at + RECORD.size <= len(log):
            kind, number, inode, offset, length, old = RECORD.unpack_from(log, at)
            at += RECORD.size
            if at + old > len(log):
                break  # the process died before it began to write
            there = writes.setdefault(inode, [])
            if kind.startswith(b"write"):
                there.append((number, offset, length, at, old))
            elif kind.startswith(b"sync"):
                writes[inode] = [w for w in there if w[0] > number]
            else:  # a range: what it covers is there, and all before it in these pieces
                writes[inode] = [part for w in there for part in outside(w, number, offset, length)]
            at += old
        self.log = log
        return writes

    def power_cut(self, random):
        """Of each piece of 4 KiB of each file the last so many of its writes are undone."""
        writes = self.not_synced()
        files = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    files[os.lstat(path).st_ino] = path
                except OSError:
                    pass
        undone = 0
        for inode, there in sorted(writes.items()):
            if not there or inode not in files:
                continue
            mood = random.choice((0.0, 0.5, 1.0, 1.0))  # of all that could be lost
            pieces = {}
            for w in there:
                for piece in range(w[1] // PIECE, (w[1] + w[2] - 1) // PIECE + 1):
                    pieces.setdefault(piece, []).append(w)
            with open(files[inode], "r+b") as f:
                for piece, those in pieces.items():
                    if random.random() >= mood:
                        continue
                    for w in reversed(those[random.randrange(len(those)):]):
                        undone += self.put_back(f, piece, w)
        return undone

    def put_back(self, f, piece, write):
        _, offset, length, at, old = write
        first, last = max(offset, piece * PIECE), min(offset + length, (piece + 1) * PIECE)
        data = self.log[at + (first - offset):at + min(last - offset, old)]
        f.seek(first)
        f.write(data + bytes(last - first - len(data)))
        return 1


def outside(write, number, offset, length):
    """What a durable range leaves of a write that came before it: the parts in front and behind."""
    n, at, size, old_at, old = write
    if n > number or at + size <= offset or offset + length <= at:
        return [write]
    parts = []
    if at < offset:
        front = offset - at
        parts.append((n, at, front, old_at, min(old, front)))
    if at + size > offset + length:
        skip = offset + length - at
        parts.append((n, at + skip, size - skip, old_at + skip, max(0, old - skip)))
    return parts


def disk_errors(random):
    return random.choice((errno.EIO, errno.ENOSPC, errno.ENOSPC))
