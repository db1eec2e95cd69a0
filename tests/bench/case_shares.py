# case_shares.py - does each disk get what its shares, and its reservation, entitle it to?
# SPDX-License-Identifier: BSD-3-Clause
import itertools
import statistics
import time

from lab import (device, Gateway, emulated, goal, percent_off, span, table)

WARM = 1  # s, at the beginning of each run, that no figure contains
names = itertools.count()


def gateway(lab, datastore, disks, **more):
    return Gateway(lab, f"g{next(names)}", datastore, disks, **more)


def say_total(totals, able):
    print(f"The datastore did {span(totals, 0)} a second, of {able} that it can do.\n")


# ---- VMware's own case -----------------------------------------------------------------

VMWARE = {"vm1": "shares = 1000;", "vm2": "shares = 2500;", "vm3": "shares = 500;",
          "vm4": "shares = 1000; iops = 2000;"}


def compare(title, runs, expected, clients, bound):
    """`runs`: lists of Answers.  Rates against what was expected, and parts of the total,
    which a machine that keeps the datastore from its speed does not change."""
    rows, parts = [], []
    end = runs[0][1]
    total = sum(expected.values())
    for number, name in enumerate(clients):
        rates = [answers[number].rate(WARM, end) for answers, _ in runs]
        sums = [sum(a.rate(WARM, end) for a in answers) for answers, _ in runs]
        of_total = [100 * r / s for r, s in zip(rates, sums)]
        off = [percent_off(o, 100 * expected[name] / total) for o in of_total]
        rows.append((name, expected[name], span(rates, 1),
                     span([percent_off(r, expected[name]) for r in rates]), span(off)))
        parts.append((name, [percent_off(r, expected[name]) for r in rates], off))
    print(f"\n#### {title}")
    table(["client", "expected", "I/Os per second", "error, %", "error of its part, %"], rows)
    say_total([sum(a.rate(WARM, end) for a in answers) for answers, _ in runs], round(total))
    for name, rate, off in parts:
        if expected[name] > 20:
            goal(f"{name}, error of its rate, %", [abs(r) for r in rate], bound)
            goal(f"{name}, error of its part of the total, %", [abs(o) for o in off], bound)


def vmware(lab, o):
    """VMware's case: shares 1000/2500/500/1000 on 8000 I/Os per second, the fourth to 2000"""
    seconds = WARM + o.seconds
    busy, quiet = [], []
    for _ in range(o.rounds):
        g = gateway(lab, device(o), VMWARE)
        clients = [g.client(disk, depth=64) for disk in VMWARE]
        busy.append((lab.load(seconds, clients, lambda: g.watch("vm1", seconds / 2))[0], seconds))
        g.say_seen()
        clients[2] = g.client("vm3", depth=1, every=100000)
        quiet.append((lab.load(seconds, clients)[0], seconds))
        g.stop()
    compare("all four saturate the datastore", busy,
            dict(vm1=1600, vm2=4000, vm3=800, vm4=1600), VMWARE, 1)
    compare("the third does 10 a second: its part goes to the others in one gateway", quiet,
            dict(vm1=1775.6, vm2=4438.9, vm3=10, vm4=1775.6), VMWARE, 1)


# ---- the same shares at any speed ------------------------------------------------------

SPEEDS = {100: emulated(4, "40ms", "60ms"), 1000: emulated(4, "4ms", "6ms"),
          10000: emulated(32, "3200us", "3600us")}


def speed_errors(runs, shares, begin, end):
    """The greatest error of a part in each run; and those of all parts in each second,
    beyond one I/O, as a second holds whole ones only."""
    off, worst = [], []
    for answers in runs:
        each = [a.seconds(begin, end) for a in answers]
        whole = [sum(second) for second in zip(*each)]
        fair = [s / sum(shares) for s in shares]
        off.append(max(abs(percent_off(sum(mine) / sum(whole), f))
                       for mine, f in zip(each, fair)))
        worst += [100 * max(0, abs(m - w * f) - 1) / (w * f)
                  for mine, f in zip(each, fair) for m, w in zip(mine, whole)]
    return off, worst


def speeds(lab, o):
    """Shares 1:2:4 and 1000:2000:4000 at 100, 1,000 and 10,000 I/Os per second"""
    rows, errors = [], {}
    for speed, datastore in SPEEDS.items():
        for shares in ((1, 2, 4), (1000, 2000, 4000)):
            # what all send before the first latency is known takes 192 / speed to be done
            warm = WARM + 400 // speed
            seconds = warm + (o.seconds if speed > 100 else max(14, o.seconds))
            runs = []
            for _ in range(o.rounds if speed > 100 or o.full else 1):
                g = gateway(lab, datastore, {f"d{s}": f"shares = {s};" for s in shares})
                runs.append(lab.load(seconds, [g.client(f"d{s}", depth=64)
                                               for s in shares])[0])
                g.stop()
            off, worst = speed_errors(runs, shares, warm, seconds)
            name = f"{':'.join(map(str, shares))} at {speed:,}"
            errors[name] = off
            rates = [[a.rate(warm, seconds) for a in answers] for answers in runs]
            rows.append((name, " / ".join(f"{statistics.median(r):.1f}" for r in zip(*rates)),
                         f"{statistics.median(map(sum, rates)):.1f}", span(off),
                         f"{statistics.median(worst):.2f}; {max(worst):.2f}"))
    table(["shares, I/Os per second", "each got", "together", "greatest error of a part, %",
           "in windows of 1 s: median; greatest, %"], rows)
    for name, values in errors.items():
        goal(f"{name}: greatest error of a part, %", values, 1)


# ---- reservations ----------------------------------------------------------------------

def reservations(lab, o):
    """Reservations of 7000 of 8000 I/Os per second, against 80 times the shares"""
    reserved = {"r4000": 4000, "r2500": 2500, "r500": 500}
    disks = {name: f"shares = 100; reservation = {r};" for name, r in reserved.items()}
    disks.update({"s1": "shares = 8000;", "s2": "shares = 8000;"})
    seconds = WARM + o.seconds
    rows = {name: [] for name in disks}
    able = {name: [] for name in reserved}
    totals = []
    for _ in range(o.rounds):
        g = gateway(lab, device(o), disks)
        answers = lab.load(seconds, [g.client(d, depth=64) for d in disks])[0]
        g.stop()
        each = {d: a.seconds(WARM, seconds) for d, a in zip(disks, answers)}
        total = [sum(t) for t in zip(*each.values())]
        totals += total
        for d in disks:
            rows[d] += each[d]
        for d, r in reserved.items():
            able[d] += [100 * n / r for n, t in zip(each[d], total) if t * .9 >= 7000]
    table(["disk", "I/Os in each second: median [least-most]"],
          [(d, span(n, 0)) for d, n in rows.items()])
    say_total(totals, 8000)
    for d, r in reserved.items():
        goal(f"{d}, worst second, % of its reservation", [min(100 * n / r for n in rows[d])], 99,
             least=True)
        if able[d]:
            goal(f"{d}, worst of the {len(able[d])} of {len(rows[d])} seconds in which the "
                 "datastore could keep all of it", [min(able[d])], 99, least=True)


# ---- what is not asked for is not wasted -----------------------------------------------

def conservation(lab, o):
    """Work conservation: what all do together, with control and without"""
    disks = {"a": "shares = 1;", "b": "shares = 1000;", "c": "shares = 100000;"}
    cases = {"three, shares 1:1000:100000": list("abc"), "one alone, of three": ["a"]}
    seconds = WARM + o.seconds
    rows, ratios = [], {case: [] for case in cases}
    got = {(case, kind): [] for case in cases for kind in ("without", "with")}
    for number in range(o.rounds):
        kinds = [("without", dict.fromkeys(disks)), ("with", disks)]
        for kind, options in kinds[::-1] if number % 2 else kinds:
            g = gateway(lab, device(o), options)
            for case, who in cases.items():
                watch = (lambda: g.watch("a", seconds / 2)) if kind == "with" else None
                answers = lab.load(seconds, [g.client(d, depth=64) for d in who], watch)[0]
                got[case, kind].append(sum(a.rate(WARM, seconds) for a in answers))
            g.say_seen()
            g.stop()
    for case in cases:
        ratios[case] = [100 * w / n for w, n in zip(got[case, "with"], got[case, "without"])]
        rows.append((case, span(got[case, "without"], 0), span(got[case, "with"], 0),
                     span(ratios[case])))
    table(["clients, 64 deep each", "without control", "with", "% of it"], rows)
    for (case, values), limit in zip(ratios.items(), (99, 99.5)):
        goal(f"{case}: total, % of that without control", values, limit, least=True)


# ---- while guests run ------------------------------------------------------------------

def set_option(lab, disk, option, value):
    lab.weirctl("export", "option", disk, "control", option, value)


def live(lab, o):
    """Live change: from `echo high >` until the rates are within 5 % of the new split"""
    took, said = [], []
    with lab.mounted() as mount:
        for _ in range(o.rounds * 2):
            g = gateway(lab, device(o), {"a": "shares = 1000;", "b": "shares = 1000;"})
            when = []

            def change():
                time.sleep(WARM + .5)
                begin = time.monotonic()
                if mount:
                    with open(f"{mount}/exports/a/filters/10-control/options/shares", "w") as f:
                        f.write("high\n")
                else:
                    set_option(lab, "a", "shares", "high")
                when.extend([begin, time.monotonic()])

            answers, began = lab.load(WARM + 2, [g.client(d, depth=64) for d in "ab"], change)
            g.stop()
            took.append(1000 * (settled(answers, when[0] - began, 2 / 3) - (when[0] - began)))
            said.append(1000 * (when[1] - when[0]))
    print(f"\nBy {'the mount' if mount else 'weirctl'}, which took {span(said, 1)} ms itself; "
          "samples of 10 ms.\n")
    goal("until the first sample of five that together are within 5 % of 2:1, ms", took, 20,
         digits=0)


def settled(answers, since, part):
    """The second from which on 50 ms together are within 5 % of `part` for the first."""
    first = max(0, int(since * 100))
    for at in range(first, len(answers[0].bins) - 5):
        a, b = (sum(x.bins[at:at + 5]) for x in answers)
        if a + b and abs(a / (a + b) / part - 1) <= .05:
            return at / 100
    return float("inf")
