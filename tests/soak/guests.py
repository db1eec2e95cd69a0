"""guests.py - who uses a disk all the time, on several connections, and looks at each answer?
SPDX-License-Identifier: BSD-3-Clause
"""
import errno
import random
import threading
import time

import nbd

from model import SECTOR, Broken, content

CARRIED = {errno.EPERM, errno.EIO, errno.ENOMEM, errno.ENOSPC, errno.ESHUTDOWN, errno.EINVAL, errno.EOPNOTSUPP}


class Guest(threading.Thread):
    def __init__(self, world, number, seed):
        super().__init__(daemon=True, name=f"guest {number}")
        self.world, self.model, self.number = world, world.model, number
        self.random = random.Random(seed)
        self.h = None
        self.what = None     # under way: (start, words)
        self.done = self.failed = 0
        self.cut = False     # somebody wants this connection to be lost now
        self.paused = threading.Event()

    # ---- connections ----

    def connect(self):
        h = nbd.NBD()
        self.life = self.world.site.lives
        h.connect_uri(self.world.uri())
        self.h = h

    def lost(self):
        """The connection is gone; whether the server still works on it nobody knows."""
        self.h = None
        time.sleep(0.02)

    def step(self):
        """One request; False: there is no connection."""
        if self.cut:
            self.cut, self.h = False, None  # closed without a word
        if self.h is not None and self.life != self.world.site.lives:
            self.h = None
        if self.h is None:
            try:
                self.what = (time.monotonic(), "connect")
                self.connect()
            except nbd.Error:
                self.what = None
                time.sleep(0.05)
                return False
            self.what = None
        return self.request()

    def range(self):
        r, size = self.random, len(self.model.sectors)
        if r.random() < 0.6:  # where others write, too
            first = self.world.hot + r.randrange(192)
        else:
            first = r.randrange(size - 8)
        if r.random() < 0.6:
            first &= ~7
            count = 8 * r.choice((1, 1, 1, 2, 4, 16))
        else:
            count = r.randint(1, 24)
        return first, min(count, size - first)

    def request(self):
        first, count = self.range()
        kind = self.random.random()
        offset, length = first * SECTOR, count * SECTOR
        started = time.monotonic()
        change = begun = None
        try:
            if kind < 0.50:
                fua = self.random.random() < 0.08
                change = self.model.begin("write", first, count, fua)
                self.what = (started, f"write of {count} sectors at {first}")
                data = b"".join(content(s, change.version) for s in range(first, first + count))
                self.h.pwrite(data, offset, nbd.CMD_FLAG_FUA if fua else 0)
            elif kind < 0.82:
                begun = self.model.begin_read(first, count)
                self.what = (started, f"read of {count} sectors at {first}")
                self.model.check_read(begun, first, bytes(self.h.pread(length, offset)))
            elif kind < 0.90:
                self.what = (started, "flush")
                self.h.flush()
                self.model.flush_done(started)
            elif kind < 0.97 or not self.world.trims:
                change = self.model.begin("zero", first, count)
                self.what = (started, f"zero of {count} sectors at {first}")
                self.h.zero(length, offset, self.random.choice((0, nbd.CMD_FLAG_NO_HOLE)))
            else:
                change = self.model.begin("trim", first, count)
                self.what = (started, f"trim of {count} sectors at {first}")
                self.h.trim(length, offset)
            if change:
                self.model.end(change, True)
            self.done += 1
            return True
        except nbd.Error as e:
            return self.failure(e, change, started)
        finally:
            self.what = None
            if begun:
                self.model.end_read(begun[0])

    def failure(self, error, change, started):
        self.failed += 1
        if not self.h.aio_is_ready():
            self.world.excuse_needed(started, f"guest {self.number}: connection lost: {error}")
            self.lost()  # the change stays open, until who could carry it out is gone
            return False
        if change:
            self.model.end(change, False)
        if error.errnum not in CARRIED or error.errnum == errno.EINVAL:
            raise Broken(f"{self.what[1]} was answered with {error.errno or error.errnum}: {error}")
        self.world.excuse_needed(started, f"guest {self.number}: {self.what[1] if self.what else '?'}: {error.errno}")
        time.sleep(0.005)
        return True

    def run(self):
        try:
            while not self.world.over:
                if self.world.still.is_set():
                    self.paused.set()
                    time.sleep(0.01)
                    continue
                self.paused.clear()
                self.step()
                if self.random.random() < 0.5:
                    time.sleep(self.random.random() * 0.004)
        except Broken as e:
            self.world.broken(str(e))
        except Exception as e:  # the campaign's own mistake is no success either
            import traceback
            self.world.unsure(f"guest {self.number}: {traceback.format_exc()}")
        finally:
            self.paused.set()
