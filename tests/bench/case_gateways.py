# case_gateways.py - is a datastore shared by gateways that do not talk to each other?
# SPDX-License-Identifier: BSD-3-Clause
"""The datastore is a device that a gateway without filters serves over NBD; the gateways in
question reach it as clients, and know of each other by their exchange file alone."""
import itertools
import statistics
import time

from case_shares import VMWARE, WARM, compare
from lab import device, Gateway, percent_off, span, table

SETTLE = 6  # s: five periods of the exchange and the learning of the device
names = itertools.count()


def start(lab, o, hosts):
    """A device, and a gateway for each {disk: options} of `hosts`."""
    number = next(names)
    disks = [d for host in hosts for d in host]
    served = Gateway(lab, f"device{number}", device(o), dict.fromkeys(disks))
    datastore = (f'type = "nbd"; uri = "nbd+unix:///{{image}}?socket={served.sock}"; '
                 f'latency_threshold = "{o.threshold}"; '
                 f'exchange = "{lab.folder}/exchange{number}";')
    return served, [Gateway(lab, f"host{number}.{i}", datastore, host, image='image = "DISK";')
                    for i, host in enumerate(hosts)]


def stop(served, hosts):
    for server in hosts + [served]:
        server.stop()


def two_hosts(lab, o):
    """VMware's second case as VMware has it: two hosts, 1711/4279/10/2000"""
    hosts = [{d: VMWARE[d] for d in ("vm1", "vm2")}, {d: VMWARE[d] for d in ("vm3", "vm4")}]
    seconds = SETTLE + o.seconds
    busy, quiet = [], []
    for _ in range(o.rounds):
        served, gateways = start(lab, o, hosts)
        clients = [g.client(d, depth=64) for g, h in zip(gateways, hosts) for d in h]
        for runs in (busy, quiet):
            answers = lab.load(seconds, clients)[0]
            for a in answers:
                a.bins = a.bins[(SETTLE - WARM) * 100:]
            runs.append((answers, WARM + o.seconds))
            clients[2] = gateways[1].client("vm3", depth=1, every=100000)
        stop(served, gateways)
    compare("all four saturate the datastore", busy,
            dict(vm1=1600, vm2=4000, vm3=800, vm4=1600), VMWARE, 1)
    compare("the third does 10 a second: its part goes to its neighbour first", quiet,
            dict(vm1=1711, vm2=4279, vm3=10, vm4=2000), VMWARE, 1)


# ---- PARDA's cases ---------------------------------------------------------------------

def converged(parts, expected, since, bound):
    """Seconds from `since` until every part stays within `bound` % of what is expected."""
    good = len(parts)
    while good > since and all(abs(percent_off(p, e)) <= bound if e else True
                               for p, e in zip(parts[good - 1], expected)):
        good -= 1
    return good - since if good < len(parts) else float("inf")


def parts_of(answers, seconds):
    each = [a.seconds(0, seconds) for a in answers]
    return [[n / max(1, sum(second)) for n in second] for second in zip(*each)]


def parda(lab, o):
    """PARDA's cases: four gateways on one device; the last is killed in the middle"""
    half = SETTLE + o.seconds
    rows = []
    for weights in ((1, 1, 1, 1), (1, 1, 2, 2)):
        hosts = [{f"d{i}": f"shares = {w * 1000};"} for i, w in enumerate(weights)]
        before, after, off_before, off_after, starved = [], [], [], [], []
        for _ in range(o.rounds):
            served, gateways = start(lab, o, hosts)
            # a client of a gateway that dies is none whose answers are read
            victim = lab.start_load(half * 2, [gateways[-1].client("d3", depth=64)])
            others = [g.client(d, depth=64) for g, h in zip(gateways, hosts) for d in h][:-1]
            begin = [0.0]

            def kill():
                time.sleep(half)
                gateways[-1].kill()
                begin[0] = time.monotonic()

            answers, began = lab.load(half * 2, others, kill)
            victim.wait()
            stop(served, gateways[:-1])
            killed = int(begin[0] - began) + 1
            parts = parts_of(answers, half * 2)
            expected = [w / sum(weights[:3]) for w in weights[:3]]
            before.append(converged(parts[:killed - 1], expected, 0, 5))
            totals = [sum(a.seconds(0, half * 2)[i] for a in answers) for i in range(half * 2)]
            share = sum(totals[SETTLE:half]) / (half - SETTLE)
            off_before.append(percent_off(share, 8000 * sum(weights[:3]) / sum(weights)))
            late = totals[killed + 4:]
            off_after.append(percent_off(statistics.fmean(late), 8000))
            full = [t >= .95 * 8000 for t in totals[killed - 1:]]
            after.append(full.index(True) if True in full else float("inf"))
            ideal = [[percent_off(p, e) for p, e in zip(second, expected)]
                     for second in parts[SETTLE:half]]
            starved.append(max(abs(p) for second in ideal for p in second))
        name = ":".join(map(str, weights))
        rows.append((name, span(before, 0), span(starved), span(off_before), span(after, 0),
                     span(off_after)))
    table(["shares of the gateways", "periods until parts are within 5 %",
           "then greatest error in 1 s, %", "three of four against their part of 8000, %",
           "periods after a kill until 95 % of 8000", "after that, total against 8000, %"], rows)
    for row in rows:
        print(f"- {row[0]}: converged after {row[1]} periods, after a kill {row[4]}; goal <= 2")


