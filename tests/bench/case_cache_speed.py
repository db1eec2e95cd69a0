# case_cache_speed.py - how fast are a pool's hits and writes, and what is the pool written for them?
# SPDX-License-Identifier: BSD-3-Clause
import os
import statistics

from cached import MIB, NBDKIT, Cached, Rival, fio, image, read_all
from lab import Server, goal, span, table

DISK = 64  # MiB
PLAIN, CACHE, FILE, RIVAL = "weir, plain", "weir, cache", "nbdkit file", "nbdkit cache"
RATE, P50, CPU = range(3)
# name: (operation, requests in flight, zipf)
ROWS = {f"{op} 4k QD{depth}{' zipf' * zipf}": (op, depth, zipf)
        for op in ("read", "write") for depth, zipf in ((1, False), (32, False), (32, True))}


def file_store(lab):
    return f'type = "file"; path = "{lab.media}";'


def servers(lab):
    """Each on an image of its own; what has a pool has all of it there."""
    for name in ("plain", "cache", "file", "rival"):
        image(os.path.join(lab.media, name), DISK)
    file = Server(lab, "file", NBDKIT + ["file", os.path.join(lab.media, "file")]).wait()
    file.export = ""
    found = {
        PLAIN: Cached(lab, "plain", file_store(lab), 'image = "plain";'),
        CACHE: Cached(lab, "cache", file_store(lab), 'image = "cache";',
                      'mode = "write-back"; sequential = "none";', 8 * DISK),
        FILE: file,
        RIVAL: Rival(lab, "rival", "file", os.path.join(lab.media, "rival"), "cache-on-read=true"),
    }
    for server in found.values():
        read_all(server, DISK)
    return found


def one(lab, o, server, row):
    """(requests a second, p50 in us, us of the server's CPU for each)"""
    op, depth, zipf = ROWS[row]
    before = server.cpu_ns()
    if zipf:
        rate, p50 = fio(server, rw="rand" + op, iodepth=depth, size=f"{DISK}m",
                        random_distribution="zipf:1.1", time_based=1, runtime=f"{o.seconds:g}s")
        done = rate * o.seconds
    else:
        client = server.client(server.export, op=op, depth=depth, span=DISK * MIB)
        answers = lab.load(o.seconds, [client])[0][0]
        rate, p50, done = answers.exact_rate(), answers.part(.5), answers.done
    return rate, p50, (server.cpu_ns() - before) / done / 1000


def speed(lab, o):
    """Hits and writes, all in memory, beside the store alone"""
    found = servers(lab)
    got = {(row, name): [] for row in ROWS for name in found}
    for _ in range(o.rounds):
        for row in ROWS:
            for name, server in found.items():
                got[row, name].append(one(lab, o, server, row))
    of = lambda row, name, field: [run[field] for run in got[row, name]]  # noqa: E731
    against = lambda row, name, base: [  # noqa: E731
        a / b for a, b in zip(of(row, name, RATE), of(row, base, RATE))]
    table(["", "server", "requests a second", "of weir, plain", "p50, us", "server's CPU, us each"],
          [(row, name, f"{statistics.median(of(row, name, RATE)):,.0f}",
            span(against(row, name, PLAIN)), span(of(row, name, P50), 1),
            span(of(row, name, CPU), 1)) for row, name in got])
    hit = "read 4k QD1"
    more = {name: [a - b for a, b in zip(of(hit, name, P50), of(hit, PLAIN, P50))]
            for name in (CACHE, RIVAL)}
    goal("4 KiB hit QD1, p50 over the file store, us", more[CACHE], 2)
    print(f"  (nbdkit's cache filter, over the same: {span(more[RIVAL])})")
    for row in ROWS:
        goal(f"{row}, of nbdkit cache", against(row, CACHE, RIVAL), 1, least=True)
    misses = found[CACHE].count("misses")[0]
    print(f"Blocks that the cache did not have after the first pass: {misses - DISK * MIB // 4096}")


# ---- wear ------------------------------------------------------------------------------

WRITES = {  # name: (server, MiB that are written at random)
    "a new pool": ("new", 8192),
    "a full pool, over twice its size": ("full", 256),
    "a full pool, over 64 times its size": ("full", 8192),
}


def of_writes(lab, o, server, depth, mebibytes):
    """Bytes of the pool for each byte of the guest, with what destage writes there."""
    before, = server.count("pool_written_bytes")
    client = server.client("d", op="write", depth=depth, span=mebibytes * MIB)
    done = lab.load(o.seconds, [client])[0][0].done
    server.drain()
    return (server.count("pool_written_bytes")[0] - before) / (4096 * done)


def of_fills(o, server):
    before = server.count("pool_written_bytes", "fills")
    fio(server, rw="randread", iodepth=16, size=f"{8 * DISK}m", random_distribution="zipf:0.9",
        time_based=1, runtime=f"{o.seconds:g}s")
    written, fills = (b - a for a, b in zip(before, server.count("pool_written_bytes", "fills")))
    return written / 4096 / max(1, fills)


def wear(lab, o):
    """What the pool is written"""
    for name in ("new", "full"):
        with open(os.path.join(lab.media, name), "wb") as file:
            file.truncate(8192 * MIB)
    options = 'mode = "write-back";'
    found = {
        # nothing leaves its log meanwhile
        "new": Cached(lab, "new", file_store(lab), 'image = "new";',
                      options + ' destage_delay = "1h";', 8192),
        "full": Cached(lab, "full", file_store(lab), 'image = "full";', options, 2 * DISK),
    }
    fio(found["full"], rw="randread", iodepth=16, size=f"{8 * DISK}m",
        random_distribution="zipf:0.9", io_size=f"{4 * DISK}m")
    fills = [of_fills(o, found["full"]) for _ in range(o.rounds)]
    got = {(name, depth): [] for name in WRITES for depth in (1, 32)}
    for _ in range(o.rounds):
        for (name, depth), ratios in got.items():
            server, mebibytes = WRITES[name]
            ratios.append(of_writes(lab, o, found[server], depth, mebibytes))
    table(["random 4 KiB writes to", "in flight", "bytes of the pool for each"],
          [(name, depth, span(ratios)) for (name, depth), ratios in got.items()])
    for name in ("a new pool", "a full pool, over 64 times its size"):
        goal(f"bytes of the pool for a byte of the guest at QD32, {name}", got[name, 32], 1.1)
    goal("blocks of the pool for a block that was missed, zipf 0.9", fills, 1.35)
