# case_replication_latency.py - what does a write wait for at the source, in each mode?
# SPDX-License-Identifier: BSD-3-Clause
from lab import goal, span, table
from replicated import Link, Mirror, Pair, Source, echo, file_disk, median_of, writes

MIB = 1 << 20
BARE, WEIR, QEMU, QEMU_BARE = "weir, plain", "weir, replication", "QEMU, mirror", "QEMU, plain"
RATE, P50, CPU, SENT = range(4)


# ---- sync -------------------------------------------------------------------------------

class Way:
    """What lies at both ends of one kind of link."""

    def __init__(self, lab, o, name, proxied):
        self.pair = Pair(lab, o, name, proxied, 'mode = "sync";')
        self.echo, far = echo(lab, "echo" + name), file_disk(lab, "far" + name)
        self.links = []
        if proxied:
            self.echo = Link(lab, "to-echo" + name, self.echo)
            far = Link(lab, "to-far" + name, far)
            self.links = [self.pair.link, self.echo, far]
        self.mirror = Mirror(lab, "mirror" + name, far, "write-blocking")

    def round_trip(self, ms):
        for link in self.links:
            link.round_trip(ms)


def sync(lab, o):
    """A write waits for the other site: p50 over the same chain without the filter"""
    ways = {"direct": Way(lab, o, "", False), "proxy": Way(lab, o, "-proxy", True)}
    bare, qemu = Source(lab, "bare"), Mirror(lab, "qemu")
    # a proxy without a delay still takes its time
    rows = [("direct", 0)] + [("proxy", ms) for ms in (1, 5)]
    got = {(row, depth): [] for row in rows for depth in (1, 16)}
    for _ in range(o.rounds):
        for row in rows:
            way = ways[row[0]]
            way.round_trip(row[1])
            trip = writes(lab, o.seconds / 2, way.echo).part(.5)
            for depth in (1, 16):
                p50 = [writes(lab, o.seconds, server, depth=depth).part(.5)
                       for server in (bare, way.pair.source, qemu, way.mirror)]
                got[row, depth].append((trip, *p50, p50[1] - p50[0] - trip, p50[3] - p50[2] - trip))
                way.pair.source.settle()
                way.mirror.settle()
    of = lambda runs, field: [run[field] for run in runs]  # noqa: E731
    name = lambda row: f"{row[1]} ms"  # noqa: E731
    table(["delay", "in flight", "round trip, us", "without filter, p50", "sync, p50",
           "more than the trip", "QEMU mirror, more than the trip"],
          [(name(row), depth, *(span(of(runs, field), 0) for field in (0, 1, 2, 5, 6)))
           for (row, depth), runs in got.items()])
    print("The trip is that of a 4 KiB write, one at a time, to nbdkit's null plugin on the same kind\n"
          "of way: at 0 ms a Unix socket, else a proxy in Python, whose own time is in it.  QEMU:\n"
          "copy-mode write-blocking, over its storage daemon without a mirror, to nbdkit's file plugin.\n")
    for (row, depth), runs in got.items():
        goal(f"sync QD{depth}, delay {name(row)}: p50 over the round trip, us", of(runs, 5), 50,
             digits=0)


# ---- async ------------------------------------------------------------------------------

# name: (in flight, bytes)
LOADS = {
    "4 KiB QD1": (1, 4096),
    "4 KiB QD16": (16, 4096),
    "4 KiB QD32": (32, 4096),
    "1 MiB QD4": (4, MIB),
}
DEVICE = 'type = "memory"; emulate = { servers = 4; service_time = "200us"; };'


def one(lab, o, server, load):
    """(requests a second, p50 in us, us of the server's CPU for each, % that was sent as written)"""
    depth, size = LOADS[load]
    replicated = isinstance(server, Source) and server.replicated
    count = lambda: server.count("replicated", "mapped") if replicated else (0, 0)  # noqa: E731
    before, counted = server.cpu_ns(), count()
    answers = writes(lab, o.seconds, server, depth=depth, size=size)
    cpu = (server.cpu_ns() - before) / answers.done / 1000
    sent, mapped = (b - a for a, b in zip(counted, count()))
    server.settle()
    return answers.exact_rate(), answers.part(.5), cpu, 100 * sent / max(1, sent + mapped)


def compare(lab, o, found, loads):
    """`found`: {name: (server, name of what it is compared with)}"""
    got = {(load, name): [] for load in loads for name in found}
    for _ in range(o.rounds):
        for load in loads:
            for name, (server, _) in found.items():
                got[load, name].append(one(lab, o, server, load))
    of = lambda load, name, field: [run[field] for run in got[load, name]]  # noqa: E731
    against = lambda load, name: [  # noqa: E731
        a / b for a, b in zip(of(load, name, RATE), of(load, found[name][1], RATE))]
    table(["random writes", "server", "a second", "of it without", "p50, us", "its CPU, us each",
           "sent as written, %"],
          [(load, name, median_of(of(load, name, RATE)), span(against(load, name)),
            span(of(load, name, P50), 1), span(of(load, name, CPU), 1),
            span(of(load, name, SENT), 0) if name == WEIR else "-") for load, name in got])
    more = lambda load: [  # noqa: E731
        a - b for a, b in zip(of(load, WEIR, P50), of(load, BARE, P50))]
    return [(load, against(load, WEIR), more(load)) for load in loads]


def async_(lab, o):
    """A write waits for its own disk alone: what is left of the speed without the filter"""
    vault = 'history = "1h"; limit = "4G";'
    print("\nA disk in memory:")
    found = {BARE: (Source(lab, "bare"), BARE), WEIR: (Pair(lab, o, vault=vault).source, BARE),
             QEMU_BARE: (Mirror(lab, "qemu"), QEMU_BARE),
             QEMU: (Mirror(lab, "mirror", file_disk(lab, "far"), "background"), QEMU_BARE)}
    goals = compare(lab, o, found, LOADS)
    print("QEMU's mirror (background, to nbdkit's file plugin) promises no order: its target is a\n"
          "state of the disk at no moment but when the job has been completed; weir's target is\n"
          "state(k) all the time.\n\nA device of 20,000 I/Os a second, in 200 us each:")
    found = {BARE: (Source(lab, "slow", store=DEVICE), BARE),
             WEIR: (Pair(lab, o, "-slow", vault=vault, store=DEVICE).source, BARE)}
    slow = compare(lab, o, found, list(LOADS)[:3])
    print("Client, source, target and disks share the CPUs: where they are all busy, the source lacks\n"
          "what the target takes.\n")
    for where, results in (("a disk in memory", goals), ("a device", slow)):
        for load, rates, p50s in results:
            goal(f"async, {where}, {load}, of the I/Os without the filter", rates, .95, least=True)
            if LOADS[load][1] == 4096:
                goal(f"async, {where}, {load}, p50 over it, us", p50s, 10, digits=1)
