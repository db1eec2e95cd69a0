# case_replication_log.py - what is written for a write, and how soon is a point of the log a disk?
# SPDX-License-Identifier: BSD-3-Clause
import json
import random
import time

from lab import goal, span, table
from replicated import MIB, Pair, writes, written_bytes

# ---- amplification ----------------------------------------------------------------------

# name: (mode, in flight, bytes)
LOADS = {
    "async, 4 KiB QD1": ("async", 1, 4096),
    "async, 4 KiB QD32": ("async", 32, 4096),
    "async, 64 KiB QD8": ("async", 8, 65536),
    "sync, 4 KiB QD1": ("sync", 1, 4096),
    "sync, 4 KiB QD32": ("sync", 32, 4096),
}


def log_of(target):
    """Bytes of the log, and of all that the target has written to its disk."""
    return int(target.stat("log_bytes")) if target.kind == "vault" else 0, written_bytes(target)


def amplified(lab, o, pair, load):
    mode, depth, size = LOADS[load]
    pair.source.option("mode", mode)
    pair.source.settle()
    names = ("replicated", "mapped", "sent_bytes", "frames")
    before = pair.source.count(*names), written_bytes(pair.source), log_of(pair.target)
    writes(lab, o.seconds, pair.source, depth=depth, size=size)
    pair.source.settle()
    ordered, mapped, sent, frames = (a - b for a, b in zip(pair.source.count(*names), before[0]))
    guest = ordered + mapped
    log, all_ = (a - b for a, b in zip(log_of(pair.target), before[2]))
    own = written_bytes(pair.source) - before[1]
    return (1 + own / guest, sent / guest, log / guest, all_ / guest,
            ordered / frames / 1024, 100 * ordered / guest)


def amplification(lab, o):
    """Bytes that both sites write for a byte of the guest, which does not compress"""
    # the disk is in memory, so what the source's process writes is what the filter does
    pair = Pair(lab, o, store='type = "memory";')
    writes(lab, o.seconds / 2, pair.source, depth=8, size=65536)  # each extent has its first write
    pair.source.settle()
    got = {load: [amplified(lab, o, pair, load) for _ in range(o.rounds)] for load in LOADS}
    of = lambda load, field: [run[field] for run in got[load]]  # noqa: E731
    table(["random writes", "source, its disk's included", "sent", "target's log",
           "target, log, disks and index", "KiB in a frame", "sent as written, %"],
          [(load, *(span(of(load, field), 3) for field in range(4)), span(of(load, 4), 0),
            span(of(load, 5), 0)) for load in got])
    for load in got:
        goal(f"{load}, written by the source for a byte of the guest", of(load, 0), 1.02, digits=3)
        if o.target == "vault":
            goal(f"{load}, log of the target for a byte of the guest", of(load, 2), 1.05, digits=3)


# ---- points -----------------------------------------------------------------------------

def seconds_to(lab, target, export, **words):
    """From the start of a client to its first answer."""
    begun = time.monotonic()
    lab.load(.01, [target.client(export, **words)])
    return time.monotonic() - begun - .01


def make_history(lab, o, pair):
    """--history MiB of writes of 4 and 64 KiB."""
    while (log := int(pair.target.stat("log_bytes"))) < o.history * MIB:
        for size in (4096, 65536):
            writes(lab, o.seconds, pair.source, depth=16, size=size, span=o.history * MIB)
        pair.source.settle()
    return log / MIB


def points(lab, o):
    """Seconds from the first word of a client to its first answer, of a disk as it was"""
    if o.target != "vault":
        print("\nA plain target has no points.")
        return
    pair = Pair(lab, o, options='mark_every = "100ms";', disk=o.history)
    log = make_history(lab, o, pair)
    listed = json.loads(pair.target.say("points"))["points"]
    print(f"\nA log of {log:.0f} MiB with {len(listed)} restore points, of a disk of {o.history} MiB.")
    got = {what: [] for what in ("latest", "the oldest", "any", "any LSN", "any, writable")}
    for _ in range(o.rounds):
        any_ = random.choice(listed)["lsn"]
        for what, word in (("latest", "latest"), ("the oldest", f"lsn:{listed[0]['lsn']}"),
                           ("any", random.choice(listed)["time"]), ("any LSN", f"lsn:{any_}"),
                           ("any, writable", f"lsn:{any_}+bench")):
            got[what].append(seconds_to(lab, pair.target, "vm1@" + word, span=o.history * MIB))
    cold = []
    for _ in range(o.rounds):
        pair.target.kill()
        begun = time.monotonic()
        pair.target.start()
        seconds_to(lab, pair.target, "vm1@latest")
        cold.append(time.monotonic() - begun)
        pair.source.settle()
    failover = fail_over(lab, pair)
    table(["point", "seconds to its first read"],
          [(what, span(runs, 3)) for what, runs in got.items()] +
          [("latest, after kill -9 of the target, with its start", span(cold, 3)),
           ("latest, by a failover, to the first write", f"{failover:.3f}")])
    goal("vm1@latest, s", got["latest"], 2, digits=3)
    for what in ("the oldest", "any", "any LSN", "any, writable"):
        goal(f"vm1@…, {what} of the history, s", got[what], 10, digits=3)
    goal("vm1@latest after kill -9 of the target, s", cold, 2, digits=3)
    goal("failover to latest, s", [failover], 2, digits=3)


def fail_over(lab, pair):
    pair.source.kill()
    begun = time.monotonic()
    lab.weirctl("--gateway=target", "replica", "failover", "log:vm1", "--latest")
    seconds_to(lab, pair.target, "vm1", op="write")
    return time.monotonic() - begun
