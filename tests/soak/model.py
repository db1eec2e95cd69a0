"""model.py - what may a disk answer, after all that was asked of it on several connections?
SPDX-License-Identifier: BSD-3-Clause

Each sector says, in every 16 bytes, its number and which write it is of.  A write that was answered
with an error, or never, may be there or not.  Times are those of the monotonic clock.
"""
import re
import struct
import threading
import time

SECTOR = 512
MARK, END = b"s0aK", b"k4oS"
NEVER = float("inf")
PLAIN = re.compile(re.escape(MARK) + rb"..\0\0...\0" + re.escape(END), re.DOTALL)
ZEROES = bytes(SECTOR)


def content(sector, version):
    return struct.pack("<4sII4s", MARK, sector, version, END) * 32 if version else ZEROES


def describe(data):
    if data == bytes(len(data)):
        return "zeroes"
    mark, sector, version, end = struct.unpack("<4sII4s", data[:16])
    if (mark, end) != (MARK, END):
        return f"noise ({data[:16].hex()}…)"
    return f"sector {sector} of write {version}" + ("" if data == content(sector, version) else ", torn")


class Change:
    """A write, zeroing or trim: from when to when, and what is known of its end."""
    __slots__ = ("version", "first", "count", "start", "end", "done", "fua", "number", "kind")

    def __init__(self, version, first, count, fua, number, kind):
        self.version, self.first, self.count, self.fua = version, first, count, fua
        self.number, self.kind = number, kind
        self.start, self.end, self.done = time.monotonic(), NEVER, False

    def __repr__(self):
        end = "done" if self.done else "failed" if self.end < NEVER else "not answered"
        return f"{self.kind} {self.number}({end})"


class Broken(Exception):
    """A promise is broken."""


class Unsure(Exception):
    """The campaign cannot go on, or cannot tell: neither a success nor a broken promise."""


class Model:
    def __init__(self, sectors):
        self.sectors = [[] for _ in range(sectors)]  # changes that may be seen, oldest first
        self.lock = threading.Lock()
        self.count = 0
        self.flushed = 0.0  # all that was answered before is durable
        self.reads = {}     # starts of reads under way
        self.open = set()   # changes that have no answer
        self.history = []   # all of them: for whoever asks for prefixes

    # ---- changes ----

    def begin(self, kind, first, count, fua=False):
        with self.lock:
            self.count += 1
            change = Change(self.count if kind == "write" else 0, first, count, fua, self.count, kind)
            self.open.add(change)
            self.history.append(change)
            oldest = min(self.reads.values(), default=change.start)
            for s in range(first, first + count):
                there = self.sectors[s]
                if len(there) > 3:
                    self._prune(there, oldest)
                there.append(change)
            return change

    def _prune(self, there, oldest):
        """Forgets what nobody can see any more, neither now nor after a loss of power."""
        over = max((c.start for c in there if c.done and c.end < oldest and self._durable(c)), default=0.0)
        if over:
            there[:] = [c for c in there if not c.end < over]

    def _durable(self, change):
        return change.done and change.kind != "trim" and (change.fua or change.end < self.flushed)

    def end(self, change, done):
        """Answered: with success, or with an error."""
        with self.lock:
            change.end, change.done = time.monotonic(), done
            self.open.discard(change)

    def lost_all(self):
        """Those without an answer will have none, and who could carry them out is gone."""
        with self.lock:
            now = time.monotonic()
            for change in self.open:
                change.end = now
            self.open.clear()

    def flush_done(self, start):
        with self.lock:
            self.flushed = max(self.flushed, start)

    # ---- what is seen ----

    def begin_read(self, first, count):
        with self.lock:
            start = time.monotonic()
            key = object()
            self.reads[key] = start
            return key, start, [tuple(self.sectors[s]) for s in range(first, first + count)]

    def end_read(self, key):
        with self.lock:
            self.reads.pop(key, None)

    def allowed(self, there, start):
        """Of a sector's changes those that a read from `start` on may see."""
        over = max((c.start for c in there if c.done and c.kind != "trim" and c.end < start), default=0.0)
        return [c for c in there if not c.end < over]

    def check_read(self, begun, first, data):
        key, start, before = begun
        for i, there in enumerate(before):
            seen = data[i * SECTOR:(i + 1) * SECTOR]
            if there and seen == content(first + i, there[-1].version) and there[-1].done:
                continue
            with self.lock:
                now = self.sectors[first + i]
                every = list(there) + [c for c in now if c not in there]
            may = self.allowed(every, start)
            self._one_of(first + i, seen, may, "a read")
        self.end_read(key)

    def _one_of(self, sector, seen, may, what, torn=True):
        if any(seen == content(sector, c.version) for c in may):
            return
        if torn and len(may) > 1:  # pieces of each, while they were being written
            pieces = {content(sector, c.version)[:16] for c in may}
            if all(seen[i:i + 16] in pieces for i in range(0, SECTOR, 16)):
                return
        raise Broken(f"{what}: sector {sector} is {describe(seen)}, and may be one of {may[-8:]}; "
                     f"the last that were there: {self._story(sector)}")

    def _story(self, sector):
        """For whoever looks for the cause."""
        there = [c for c in self.history if c.first <= sector < c.first + c.count][-8:]
        began = there[0].start if there else 0
        return ", ".join(f"{c} {c.first}+{c.count}{' FUA' if c.fua else ''} from {(c.start - began) * 1e3:.1f} to "
                         f"{(c.end - began) * 1e3:.1f} ms" for c in there)

    def settle(self, first, data, power_lost=False):
        """What is there while nobody writes, after a crash: from now on it stays so."""
        with self.lock:
            now = time.monotonic()
            for i in range(len(data) // SECTOR):
                sector = first + i
                seen, there = data[i * SECTOR:(i + 1) * SECTOR], self.sectors[sector]
                if power_lost:
                    over = max((c.start for c in there if self._durable(c)), default=0.0)
                    may = [c for c in there if not c.end < over]
                else:
                    may = self.allowed(there, now)
                what = "after a loss of power" if power_lost else "after the load"
                self._one_of(sector, seen, may, what)
                fits = [c for c in may if seen == content(sector, c.version)]
                there[:] = fits[-1:] or may

    # ---- prefixes, for another site ----

    def remember(self):
        """From here on `prefix` knows the order: all that came before is there."""
        with self.lock:
            self.history = [c for c in self.history if c in self.open]
            self.base = [there[-1].version if there else 0 for there in self.sectors]

    def prefix(self, read, acked=False, since=None):
        """Is what `read` gives the disk after the first N of all changes, for one N?  acked: with all that
        was answered before `since`.  Gives the number of changes beyond."""
        with self.lock:
            history = list(self.history)
            base = list(self.base)
        by_sector = {}
        for c in history:
            if c.kind != "trim":
                for s in range(c.first, c.first + c.count):
                    by_sector.setdefault(s, []).append(c)
        trims = {s for c in history if c.kind == "trim" for s in range(c.first, c.first + c.count)}
        data = read(len(self.sectors) * SECTOR, 0)
        seen_of, latest, newest = {}, 0.0, None
        for s, there in by_sector.items():
            if s in trims:
                continue
            seen = data[s * SECTOR:(s + 1) * SECTOR]
            fits = [c for c in there if content(s, c.version) == seen]
            is_base = content(s, base[s]) == seen
            if not fits and not is_base:
                raise Broken(f"the other site: sector {s} is {describe(seen)}, never written there: {there[-8:]}")
            seen_of[s] = (fits, is_base)
            # only what can be nothing else says how far it is
            if len(fits) == 1 and not is_base and fits[0].start > latest:
                latest, newest = fits[0].start, (s, fits[0])
        limit = max(latest, since or 0.0) if acked else latest
        for s, (fits, is_base) in seen_of.items():
            must = max((c.start for c in by_sector[s] if c.done and c.end < limit), default=0.0)
            if must and not any(not c.end < must for c in fits):
                missing = [c for c in by_sector[s] if c.done and c.end < limit][-1]
                why = f"has {newest[1]} (sector {newest[0]})" if limit == latest and newest else "must have all that was answered"
                raise Broken(f"the other site {why}, but not {missing} of sector {s}, which was answered before: "
                             f"it has {fits or 'what was there at first'}")
        return sum(1 for c in history if c.start > latest)
