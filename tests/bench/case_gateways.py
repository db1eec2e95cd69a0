# case_gateways.py - is a datastore shared by gateways that do not talk to each other?
# SPDX-License-Identifier: BSD-3-Clause
"""The datastore is a device that a gateway without filters serves over NBD; the gateways in
question reach it as clients, and know of each other by their exchange file alone."""
import itertools
import signal
import statistics
import time

from case_shares import VMWARE, WARM, compare
from lab import device, Gateway, percent_off, span, table

names = itertools.count()


def settling(o):
    """s: some periods of the exchange; and until a threshold of its own is learnt."""
    return 20 if o.shared_threshold == "auto" else 6


def start(lab, o, hosts):
    """A device, and a gateway for each {disk: options} of `hosts`."""
    number = next(names)
    disks = [d for host in hosts for d in host]
    served = Gateway(lab, f"device{number}", device(o), dict.fromkeys(disks))
    datastore = (f'type = "nbd"; uri = "nbd+unix:///{{image}}?socket={served.sock}"; connections = 1; '
                 f'latency_threshold = "{o.shared_threshold}"; '
                 f'exchange = "{lab.folder}/exchange{number}";')
    return served, [Gateway(lab, f"host{number}.{i}", datastore, host, image='image = "DISK";')
                    for i, host in enumerate(hosts)]


def stop(served, hosts):
    for server in hosts + [served]:
        server.stop()


def two_hosts(lab, o):
    """VMware's second case as VMware has it: two hosts, 1711/4279/10/2000"""
    hosts = [{d: VMWARE[d] for d in ("vm1", "vm2")}, {d: VMWARE[d] for d in ("vm3", "vm4")}]
    settle = settling(o)
    seconds = settle + o.seconds
    busy, quiet = [], []
    for _ in range(o.rounds):
        served, gateways = start(lab, o, hosts)
        clients = [g.client(d, depth=64) for g, h in zip(gateways, hosts) for d in h]
        for runs in (busy, quiet):
            answers = lab.load(seconds, clients, lambda: [
                g.watch(next(iter(h)), settle / len(hosts)) for g, h in zip(gateways, hosts)])[0]
            for a in answers:
                a.bins = a.bins[(settle - WARM) * 100:]
            runs.append((answers, WARM + o.seconds))
            clients[2] = gateways[1].client("vm3", depth=1, every=100000)
        for g in gateways:
            g.say_seen()
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
    """PARDA's cases: four gateways on one device; the last dies in the middle"""
    settle = settling(o)
    half = settle + o.seconds
    rows = []
    for weights in ((1, 1, 1, 1), (1, 1, 2, 2)):
        hosts = [{f"d{i}": f"shares = {w * 1000};"} for i, w in enumerate(weights)]
        before, after, off_before, off_after = [], [], [], []
        mean, worst = [], []
        for _ in range(o.rounds):
            served, gateways = start(lab, o, hosts)
            # The last gateway stops in the middle of its work, and is killed after the device:
            # nbdkit 1.32 would not survive it that a client dies whose answers it sends
            # ("raw_send_socket: Assertion `sock >= 0' failed").
            victim = lab.start_load(half * 2, [gateways[-1].client("d3", depth=64)])
            others = [g.client(d, depth=64) for g, h in zip(gateways, hosts) for d in h][:-1]
            begin = [0.0]

            def kill():
                time.sleep(half)
                gateways[-1].process.send_signal(signal.SIGSTOP)
                begin[0] = time.monotonic()

            answers, began = lab.load(half * 2, others, kill)
            victim.kill()
            victim.wait()
            for g in gateways[:-1]:
                g.stop()
            served.kill()
            gateways[-1].kill()
            killed = int(begin[0] - began) + 1
            parts = parts_of(answers, half * 2)
            expected = [w / sum(weights[:3]) for w in weights[:3]]
            before.append(converged(parts[:killed - 1], expected, 0, 10))
            totals = [sum(a.seconds(0, half * 2)[i] for a in answers) for i in range(half * 2)]
            share = sum(totals[settle:half]) / (half - settle)
            off_before.append(percent_off(share, 8000 * sum(weights[:3]) / sum(weights)))
            late = totals[killed + 4:]
            off_after.append(percent_off(statistics.fmean(late), 8000))
            full = [t >= .95 * 8000 for t in totals[killed - 1:]]
            after.append(full.index(True) if True in full else float("inf"))
            settled = parts[settle:half]
            late = [statistics.fmean(part) for part in zip(*settled)]
            mean.append(max(abs(percent_off(p, e)) for p, e in zip(late, expected)))
            worst.append(max(abs(percent_off(p, e)) for second in settled
                             for p, e in zip(second, expected)))
        name = ":".join(map(str, weights))
        rows.append((name, span(before, 0), span(mean), span(worst), span(off_before), span(after, 0),
                     span(off_after)))
    table(["shares of the gateways", "periods until parts stay within 10 %",
           "then greatest error of a part, %", "in 1 s, %", "three of four against their part of 8000, %",
           "periods after a death until 95 % of 8000", "after that, total against 8000, %"], rows)
    for row in rows:
        print(f"- {row[0]}: converged after {row[1]} periods, after a death {row[5]}; goal <= 2")


