# case_cache_full.py - is a full cache before a slow store slower than no cache?
# SPDX-License-Identifier: BSD-3-Clause
import statistics

from cached import MIB, NBDKIT, Cached, Rival, fio
from lab import Server, goal, span, table

DISK, POOL = 1024, 256  # MiB; of the pool, 17 may be dirty
DELAY = ("delay-read=16ms", "delay-write=16ms")  # 4000 I/Os a second at QD64
WARM = 3  # s
BARE, CACHE, RIVAL = "weir, plain", "weir, cache", "nbdkit cache"


def slow(lab, name):
    """Keys of a datastore on nbdkit that takes its time."""
    store = Server(lab, name, NBDKIT + ["--filter=delay", "memory", f"{DISK}M", *DELAY]).wait()
    return f'type = "nbd"; uri = "nbd+unix:///?socket={store.sock}"; '


def servers(lab):
    return {
        BARE: Cached(lab, "plain", slow(lab, "slow0"), 'image = "d";'),
        CACHE: Cached(lab, "cache", slow(lab, "slow1"), 'image = "d";', 'mode = "write-back";', POOL),
        RIVAL: Rival(lab, "rival", "--filter=delay", "memory", f"{DISK}M", *DELAY,
                     f"cache-max-size={POOL}M", "cache-on-read=true"),
    }


def writes(lab, o, server):
    seconds = WARM + max(5, int(o.seconds))  # batches of half a second come and go
    client = server.client(server.export, op="write", depth=64, span=DISK * MIB)
    answers = lab.load(seconds, [client])[0][0]
    return answers.rate(WARM, seconds), answers.part(.5)


def reads(o, server):
    return fio(server, rw="randread", iodepth=16, size=f"{DISK}m", random_distribution="zipf:1.1",
               ramp_time="1s", time_based=1, runtime=f"{o.seconds:g}s")


def full(lab, o):
    """A small pool before a slow store"""
    found = servers(lab)
    got = {(row, name): [] for row in ("random write QD64", "zipf 1.1 read QD16") for name in found}
    for _ in range(o.rounds):
        for name, server in found.items():
            got["zipf 1.1 read QD16", name].append(reads(o, server))
        for name, server in found.items():
            got["random write QD64", name].append(writes(lab, o, server))
            if name == CACHE:
                server.drain()
    table(["", "server", "requests a second", "of weir, plain", "p50, us"],
          [(row, name, f"{statistics.median(rate for rate, _ in runs):,.0f}",
            span([a / b for (a, _), (b, _) in zip(runs, got[row, BARE])]),
            span([p50 for _, p50 in runs], 0)) for (row, name), runs in got.items()])
    for row, limit in (("random write QD64", .95), ("zipf 1.1 read QD16", 1)):
        ratios = {name: [a / b for (a, _), (b, _) in zip(got[row, CACHE], got[row, name])]
                  for name in (BARE, RIVAL)}
        goal(f"{row}, pool full, of the store alone", ratios[BARE], limit, least=True)
        goal(f"{row}, of nbdkit cache", ratios[RIVAL], 1, least=True)
