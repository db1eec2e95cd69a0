# case_replication_lag.py - how far is the target behind, and how soon has it caught up?
# SPDX-License-Identifier: BSD-3-Clause
import functools
import os
import subprocess
import time

from lab import goal, span, table
from replicated import DISK, GRANULE, MIB, Link, Pair, echo, part, wait_for, writes

LINK = 48  # MiB a second


def real_speed(lab, link):
    """MiB a second that one copy gets through a link."""
    size = 2 * LINK
    source = os.path.join(lab.media, "random")
    if not os.path.exists(source):
        with open(source, "wb") as file:
            file.write(os.urandom(size * MIB))
    begun = time.monotonic()
    # as much at once, and in flight, as of a source
    subprocess.run(["nbdcopy", "--connections=2", "--requests=16", "--request-size=1048576", source,
                    f"nbd+unix:///{link.export}?socket={link.sock}"], check=True)
    return size / (time.monotonic() - begun)


# ---- RPO --------------------------------------------------------------------------------

def sample(source, seconds, ages):
    """What would be lost now, every 10 ms."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ages.append(int(source.stat("rpo_ms")))
        time.sleep(.01)


def rpo(lab, o):
    """Age of the oldest write that would be lost, while 70 % of a link are used"""
    pair = Pair(lab, o, proxied=True)
    straight = Link(lab, "to-echo", echo(lab, "echo"))
    for link in (pair.link, straight):
        link.rate(LINK * MIB)
    seconds = max(4, 3 * o.seconds)
    got = {4096: [], 65536: []}
    for _ in range(o.rounds):
        speed = real_speed(lab, straight)
        for size, runs in got.items():
            ages, every = [], size * 1e6 / (.7 * speed * MIB)
            before = pair.source.count("sent_bytes")[0]
            meanwhile = functools.partial(sample, pair.source, seconds - .1, ages)
            writes(lab, seconds, pair.source, meanwhile, size=size, depth=64, every=round(every))
            used = (pair.source.count("sent_bytes")[0] - before) / MIB / seconds / speed
            runs.append((speed, 100 * used, part(ages, .5), part(ages, .99), max(ages)))
            pair.source.settle()
    of = lambda size, field: [run[field] for run in got[size]]  # noqa: E731
    table(["random writes of", "link, MiB/s", "of it used, %", "rpo_ms p50", "p99", "most"],
          [(f"{size // 1024} KiB", *(span(of(size, field), 0) for field in range(5)))
           for size in got])
    for size in got:
        goal(f"RPO p50 at 70 % of the link, {size // 1024} KiB, ms", of(size, 2), 100, digits=0)
        goal(f"RPO p99 at 70 % of the link, {size // 1024} KiB, ms", of(size, 3), 1000, digits=0)


# ---- resync -----------------------------------------------------------------------------

def disk_speed(folder):
    """MiB a second that dd writes for good."""
    path = os.path.join(folder, "dd")
    size = 256
    begun = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={size}", "conv=fdatasync",
                    "status=none"], check=True)
    took = time.monotonic() - begun
    os.unlink(path)
    return size / took


def make_dirty(lab, source, seconds):
    """Granules here and there, while nothing is sent; how many."""
    source.say("detach")
    writes(lab, seconds, source, size=GRANULE, depth=8, every=round(GRANULE * 1e6 / (DISK * MIB)))
    return source.count("dirty_granules")[0]


def catch_up(source):
    """Bytes of granules that were copied, seconds from the first to the last of them."""
    before = source.count("copied_bytes", "sent_bytes")
    source.say("attach")
    wait_for("the first copy", lambda: source.count("copied_bytes")[0] > before[0], pause=.002)
    begun, first = time.monotonic(), source.count("copied_bytes")[0]
    whole = lambda: source.count("dirty_granules")[0] == 0 and source.is_in_step()  # noqa: E731
    wait_for("the last copy", whole, pause=.005)
    took = time.monotonic() - begun
    copied, sent = (a - b for a, b in zip(source.count("copied_bytes", "sent_bytes"), before))
    return copied, sent, (copied - (first - before[0])) / MIB / took


def resync(lab, o):
    """Dirty granules alone, as fast as link and disk allow"""
    ways = {}
    for name, proxied in (("none", False), (f"{LINK} MiB/s", True)):
        pair = Pair(lab, o, "-" + str(int(proxied)), proxied)
        straight = echo(lab, f"echo{int(proxied)}")
        if proxied:
            straight = Link(lab, "to-echo", straight)
            for link in (pair.link, straight):
                link.rate(LINK * MIB)
        ways[name] = pair, straight
    got = {name: [] for name in ways}
    for _ in range(o.rounds):
        for name, (pair, straight) in ways.items():
            speeds = real_speed(lab, straight), disk_speed(lab.media)
            dirty = make_dirty(lab, pair.source, .5)
            copied, sent, rate = catch_up(pair.source)
            pair.source.settle()
            got[name].append((*speeds, dirty * GRANULE / MIB, rate, rate / min(speeds),
                              copied / (dirty * GRANULE), sent / (dirty * GRANULE)))
    of = lambda name, field: [run[field] for run in got[name]]  # noqa: E731
    table(["limit of the link", "nbdcopy through it, MiB/s", "dd to the target's disk, MiB/s",
           "dirty, MiB", "caught up, MiB/s", "read of what was dirty", "sent of it"],
          [(name, *(span(of(name, field), 0) for field in range(4)),
            *(span(of(name, field), 3) for field in (5, 6))) for name in got])
    for name in got:
        goal(f"resync, limit {name}, of the slower of link and disk", of(name, 4), .95, least=True)
        goal(f"resync, limit {name}, read of what was dirty", of(name, 5), 1, digits=3)

