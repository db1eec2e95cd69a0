#!/usr/bin/python3
# guest-exercise.py - can the policies of disks be changed all the time while guests use them?
# SPDX-License-Identifier: BSD-3-Clause
"""guest-exercise.py RUN MOUNT WEIRCTL STOP DISK…: each DISK has a policy of its name.

Filters come and go beside those that are there, and options are set, by the policy, by weirctl and in
the mount, until STOP exists.  Prints how often."""
import os
import subprocess
import sys
import time

from control import Control

run, mount, weirctl, stop, *disks = sys.argv[1:]
gateway = Control(run)

# What may come to any chain that has no such filter, in two versions.
GUESTS = {
    "pass": ("", ""),
    "inspection": ("ring = 64;", "ring = 128;"),
    "control": ('shares = "low";', 'shares = "high";'),
    "fault": ('rate = "1%"; delay = "10us";', 'rate = "2%"; delay = "20us";'),
}
# Options of filters that are there to stay, and what they are set to while requests run.
OPTIONS = {
    "inspection": [("trace", "false"), ("trace", "true")],
    "control": [("shares", "low"), ("iops", "5000"), ("iops", "max"), ("shares", "normal")],
    "fault": [("delay", "5us"), ("delay", "0")],
    "cache": [("mode", "write-through"), ("sequential", "64K"), ("mode", "write-back"), ("order", "ordered"),
              ("order", "fast"), ("destage_delay", "1s"), ("destage_delay", "100ms")],
    "replication": [("mode", "sync"), ("bandwidth", "100M"), ("mode", "async"), ("bandwidth", "max")],
}


def chain(disk):
    return [f["name"] for f in gateway.export(disk)["filters"]]


def apply(disk, filters):
    gateway.set(f"policies/{disk}", f'name = "{disk}";\nfilters = ( {filters} );\n')


def set_option(turn, disk, name, option, value):
    """By an administrator's ways, in turn."""
    place = next(f["place"] for f in gateway.export(disk)["filters"] if f["name"] == name)
    path = f"exports/{disk}/filters/{place}/options/{option}"
    if turn % 2:
        subprocess.run([weirctl, "export", "option", disk, name, option, value], check=True, stdout=subprocess.DEVNULL)
    else:
        with open(os.path.join(mount, path), "w", encoding="ascii") as file:
            file.write(value + "\n")


def before_change(disk):
    text = gateway.get(f"policies/{disk}")
    return text[text.index("(") + 1:text.rindex(")")].strip()


base = {disk: before_change(disk) for disk in disks}
stay = {disk: chain(disk) for disk in disks}
rounds = policies = options = 0
while not os.path.exists(stop):
    for disk in disks:
        come = [name for name in GUESTS if name not in stay[disk]]
        come = [name for i, name in enumerate(come) if (rounds + i) % len(come) < 2]
        for version in (0, 1):
            new = [f'{{ filter = "{name}"; {GUESTS[name][version]} }}' for name in come]
            apply(disk, ", ".join(filter(None, [base[disk], *new])))
            policies += 1
            assert sorted(chain(disk)) == sorted(stay[disk] + come), chain(disk)
        for name in stay[disk]:
            for option, value in OPTIONS.get(name, []):
                # trims are ignored by an ordered cache, and not by the copy, which is to be as the image is
                if option == "order" and "replication" in stay[disk]:
                    continue
                set_option(options, disk, name, option, value)
                options += 1
        apply(disk, base[disk])
        policies += 1
        assert chain(disk) == stay[disk], chain(disk)
        assert gateway.export(disk)["state"] == "active", gateway.export(disk)
    rounds += 1
    time.sleep(0.5)  # the guest is to have its turn, too
pauses = max(gateway.export(disk)["longest_pause_ns"] for disk in disks) / 1e6
print(f"{policies} policies and {options} options were changed in {rounds} rounds, longest pause {pauses:.0f} ms")
