# case_cache_start.py - how soon does a full pool serve again, and how much memory does it take?
# SPDX-License-Identifier: BSD-3-Clause
import os
import re
import time

from cached import MIB, Cached, read_all
from lab import goal, span


def anonymous(server):
    """Bytes of memory that are the process' own."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"RssAnon:\s+(\d+) kB", status.read())[1]) << 10


def restart(lab, server):
    """Seconds from the start of the process to an answered read."""
    begun = time.monotonic()
    server.start()
    lab.load(.01, [server.client("d")])
    return time.monotonic() - begun


def hit_ratio(lab, o, server):
    before = server.count("hits", "misses")
    lab.load(o.seconds, [server.client("d", depth=16, span=o.pool * MIB)])
    hits, misses = (b - a for a, b in zip(before, server.count("hits", "misses")))
    return hits / (hits + misses)


def start(lab, o):
    """Restart of a full pool"""
    store = f'type = "file"; path = "{lab.media}";'
    for name in ("plain", "cache"):
        with open(os.path.join(lab.media, name), "wb") as file:
            file.truncate(o.pool * MIB)
    plain = Cached(lab, "plain", store, 'image = "plain";')
    cache = Cached(lab, "cache", store, 'image = "cache";',
                   'mode = "write-back"; sequential = "none"; destage_delay = "1h";', o.pool)
    read_all(cache, o.pool)
    blocks = o.pool * MIB // 4096
    clean, percent = cache.count("clean_bytes", "occupancy_percent")
    print(f"\nA pool of {o.pool} MiB, {percent} % full ({clean >> 20} MiB).")
    took = {"plain": [], "in order": [], "after kill -9": []}
    kept, warm, memory = [], [], []
    for _ in range(o.rounds):
        plain.kill()
        took["plain"].append(restart(lab, plain))
        cache.stop()
        took["in order"].append(restart(lab, cache))
        memory.append((anonymous(cache) - anonymous(plain)) / blocks)
        # dirty blocks, too
        lab.load(.5, [cache.client("d", op="write", depth=32, span=o.pool * MIB)])
        before = sum(cache.count("clean_bytes", "dirty_bytes")), hit_ratio(lab, o, cache)
        cache.kill()
        took["after kill -9"].append(restart(lab, cache))
        kept.append(cache.count("recovered_blocks")[0] * 4096 / before[0])
        warm.append(hit_ratio(lab, o, cache) / before[1])
    print(f"Without a cache a gateway serves within {span(took['plain'])} s.")
    for how in ("in order", "after kill -9"):
        goal(f"start of a full pool to its first I/O, {how}, s", took[how], 1)
    goal("memory over a gateway without a cache, bytes for each block of the pool", memory, 12)
    goal("blocks that the pool still has after kill -9, of before", kept, .95, least=True)
    goal("hit ratio after kill -9, of before", warm, .95, least=True)
