# case_rivals.py - do limits hold, and is a neighbour spared, better than elsewhere?
# SPDX-License-Identifier: BSD-3-Clause
"""Rivals: nbdkit's rate filter, which knows bits per second, and QEMU's throttle groups."""
import itertools
import os
import statistics

from case_shares import WARM
from lab import device, Gateway, Server, goal, percent_off, span, table

MEMORY = 'type = "memory"; latency_threshold = "100ms";'
names = itertools.count()


def throttle(lab, name, group, node, *more):
    """qemu-nbd with a throttle group before a block node."""
    return Server(lab, name, ["qemu-nbd", "-t", "-e", "16", "-k", "{sock}", "--object",
                              "throttle-group,id=g," + group, *more, "--image-opts",
                              "driver=throttle,throttle-group=g," + node]).wait()


def null_node():
    """64 MiB that cost nothing, as a disk in memory nearly does.  Not of zeroes: qemu-nbd
    answers reads of those from the map of the file, past its throttle."""
    return "file.driver=null-co,file.size=67108864,file.read-zeroes=off"


def rate(lab, name, bits, burstiness, *plugin):
    return Server(lab, name, ["nbdkit", "-f", "-t", "64", "-U", "{sock}", "--filter=rate",
                              *plugin, f"rate={bits}", f"burstiness={burstiness}"]).wait()


# ---- limits ----------------------------------------------------------------------------

# name: (options of control, QEMU's words, the rate filter's bits per second or None,
#        bytes of a request, requests per second that are right)
LIMITS = {
    "10 I/Os": ("iops = 10;", "x-iops-total=10", None, 4096, 10),
    "1,000 I/Os": ("iops = 1000;", "x-iops-total=1000", None, 4096, 1000),
    "100,000 I/Os of 512 B, 32 in each request":
        ('iops = 100000; size_iops = "512";', "x-iops-total=100000,x-iops-size=512", None, 16384,
         3125),
    "1 MiB": ('bytes_per_sec = "1MiB";', "x-bps-total=1048576", 8 << 20, 4096, 256),
    "100 MiB": ('bytes_per_sec = "100MiB";', "x-bps-total=104857600", 800 << 20, 65536, 1600),
}
# … and the I/Os or bytes of a burst: all within its length of 2 s, and all within 10 s
BURSTS = {
    "1,000 I/Os, 5,000 for 2 s":
        ('iops = 1000; iops_max = 5000; iops_max_length = "2s";',
         "x-iops-total=1000,x-iops-total-max=5000,x-iops-total-max-length=2", None, 4096, 1000),
    "10 MiB, 50 MiB for 2 s":
        ('bytes_per_sec = "10MiB"; bytes_per_sec_max = "50MiB"; bytes_per_sec_max_length = "2s";',
         "x-bps-total=10485760,x-bps-total-max=52428800,x-bps-total-max-length=2", 80 << 20,
         16384, 640),
}
BURST, LENGTH, LONG = 5, 2, 10  # times the rate; s; s


def side_by_side(lab, rows, row, burstiness):
    """The Answers of weir and its rivals under one limit, all at the same time."""
    control, qemu, bits, size, _ = rows[row]
    number = next(names)
    servers = {"weir": Gateway(lab, f"limit{number}", MEMORY, {"d": control}),
               "QEMU throttle group": throttle(lab, f"qemu{number}", qemu, null_node())}
    if bits:
        servers["nbdkit rate filter"] = rate(lab, f"rate{number}", bits, burstiness, "memory",
                                             "64M")
    clients = [s.client("d" if name == "weir" else "", depth=16, size=size)
               for name, s in servers.items()]
    answers = lab.load(LONG, clients)[0]
    for s in servers.values():
        s.stop()
    return dict(zip(servers, answers))


def limits(lab, o):
    """Limits over 10 s, beside QEMU's throttle groups and nbdkit's rate filter"""
    rows, goals = [], []
    for row, (*_, right) in LIMITS.items():
        got = {}
        for _ in range(o.rounds if o.full else 1):
            for name, answers in side_by_side(lab, LIMITS, row, 2).items():
                got.setdefault(name, []).append(answers)
        for name, runs in got.items():
            whole = [percent_off(a.exact_rate(), right) for a in runs]
            late = [percent_off(a.rate(4, LONG), right) for a in runs]
            rows.append((row, name, span([a.exact_rate() for a in runs], 1), span(whole),
                         span(late)))
            if name == "weir":
                goals.append((f"{row} a second: error over {LONG} s, %", list(map(abs, whole))))
    table(["limit per second", "server", "requests per second", "error over 10 s, %",
           "from the 5th second on, %"], rows)
    for text, values in goals:
        goal(text, values, .5)


def bursts(lab, o):
    """Bursts: max x length at once, the lasting rate from then on, beside the same"""
    rows, goals = [], []
    credit = (BURST - 1) * LENGTH  # s of the lasting rate: the rate filter's burstiness
    for row, (*_, right) in BURSTS.items():
        got = {}
        for _ in range(o.rounds if o.full else 1):
            for name, answers in side_by_side(lab, BURSTS, row, credit).items():
                got.setdefault(name, []).append(answers)
        for name, runs in got.items():
            burst = [percent_off(a.count(0, LENGTH), right * BURST * LENGTH) for a in runs]
            whole = [percent_off(a.count(0, LONG), right * (credit + LONG)) for a in runs]
            late = [percent_off(a.rate(4, LONG), right) for a in runs]
            rows.append((row, name, span(burst), span(whole), span(late)))
            if name == "weir":
                goals += [(f"{row}: volume of the burst, error in %", list(map(abs, burst))),
                          (f"{row}: all in {LONG} s, error in %", list(map(abs, whole)))]
    table(["limit per second", "server", "first 2 s against max x length, %",
           "10 s against all that is allowed, %", "lasting rate, %"], rows)
    print("The rate filter has no rate for its bursts: it was given the same credit.\n")
    for text, values in goals:
        goal(text, values, .5)


# ---- a noisy neighbour -----------------------------------------------------------------

class Neighbours:
    """A tenant that reads 4 KiB after 4 KiB, beside a writer of 64 KiB, on one store."""

    def __init__(self, lab, o, store, depth, image=""):
        self.lab, self.seconds, self.store = lab, WARM + o.seconds, store
        self.depth, self.image = depth, image
        self.runs = {}  # how: [(p50, p99, mean, tenant's rate, writer's MiB/s), …]

    def measure(self, how, tenant, writer=None, watched=None):
        clients = [tenant] + ([writer] if writer else [])
        watch = watched and (lambda: watched.watch("tenant", self.seconds / 2))
        answers = self.lab.load(self.seconds, clients, watch)[0]
        a = answers[0]
        volume = answers[1].rate(WARM, self.seconds) / 16 if writer else 0
        run = (a.part(.5), a.part(.99), a.mean(), a.rate(WARM, self.seconds), volume)
        self.runs.setdefault(how, []).append(run)
        return run

    def gateway(self, options):
        return Gateway(self.lab, f"n{next(names)}", self.store, {"tenant": options, "writer": options},
                       size="256M", image=self.image)

    def clients(self, gateway):
        return (gateway.client("tenant", span=256 << 20),
                gateway.client("writer", span=256 << 20, op="write", size=65536,
                               depth=self.depth))

    def round(self):
        g = self.gateway(None)
        tenant, writer = self.clients(g)
        self.measure("alone", tenant)
        free = self.measure("without control", tenant, writer)[4]
        for part in (80, 50):
            volume = int(free * part / 100 * (1 << 20))
            if volume:
                self.rivals(g, tenant, part, volume)
        g.stop()
        g = self.gateway("shares = 1000;")
        self.measure("with control, equal shares", *self.clients(g), watched=g)
        g.say_seen()
        g.stop()

    def rivals(self, g, tenant, part, volume):
        """Before the writer alone: limits are all that they have."""
        number = next(names)
        node = (f"file.driver=nbd,file.export=writer,file.server.type=unix,"
                f"file.server.path={g.sock}")
        for kind, make in (
                ("QEMU", lambda: throttle(self.lab, f"q{number}", f"x-bps-total={volume}", node)),
                ("nbdkit rate", lambda: rate(self.lab, f"r{number}", volume * 8, .1, "nbd",
                                             "socket=" + g.sock, "export=writer"))):
            rival = make()
            self.measure(f"{kind}, writer to {part} %", tenant,
                         rival.client(op="write", size=65536, depth=self.depth, span=256 << 20))
            rival.stop()

    def report(self):
        free = [r[4] for r in self.runs["without control"]]
        rows = []
        for how, runs in self.runs.items():
            p50, p99, mean, rate_, volume = (statistics.median(r[i] for r in runs)
                                             for i in range(5))
            rows.append((how, f"{p50:,.0f}", f"{p99:,.0f}", f"{mean:,.0f}", f"{rate_:,.0f}",
                         f"{volume:,.0f}", span([r[4] / f for r, f in zip(runs, free) if f])
                         if volume and len(runs) == len(free) else ""))
        table(["", "p50, us", "p99, us", "mean, us", "reads a second", "writer, MiB/s",
               "of uncontrolled"], rows)
        mine, alone = self.runs["with control, equal shares"], self.runs["alone"]
        rivals = {h: [m[1] / a[1] for m, a in zip(runs, alone)]
                  for h, runs in self.runs.items() if "writer to" in h}
        goal("tenant's mean, of that alone", [m[2] / a[2] for m, a in zip(mine, alone)], 1.05)
        goal("tenant's p99, of that alone", [m[1] / a[1] for m, a in zip(mine, alone)], 1.25)
        goal("writer, of uncontrolled", [m[4] / f for m, f in zip(mine, free)], .95, least=True)
        # one that lets the writer do less than asked has not the better setting
        fair = [h for h in rivals if statistics.median(r[4] for r in self.runs[h]) >= .45 *
                statistics.median(free)]
        best = min(fair, key=lambda h: statistics.median(rivals[h]), default=None)
        if best:
            print(f"  (the rivals' best: {best}: p99 {span(rivals[best])} of that alone, writer "
                  f"{span([r[4] / f for r, f in zip(self.runs[best], free)])} of uncontrolled)")


def neighbour_on_file(lab, o):
    """A 4 KiB reader, one at a time, beside a 64 KiB writer, 32 at a time, on one disk"""
    for name in ("tenant", "writer"):
        with open(os.path.join(lab.media, name + ".raw"), "wb") as image:
            for _ in range(256):
                image.write(os.urandom(1 << 20))
            os.fsync(image.fileno())
    n = Neighbours(lab, o, f'type = "file"; path = "{lab.media}"; direct = true; '
                   'latency_threshold = "auto";', 32,
                   'image = "DISK.raw";')
    for _ in range(o.rounds):
        n.round()
    n.report()


def neighbour_on_device(lab, o):
    """The same on the emulated device, which 64 at a time saturate"""
    n = Neighbours(lab, o, device(o), 64)
    for _ in range(o.rounds):
        n.round()
    n.report()
