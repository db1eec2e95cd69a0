#!/usr/bin/python3
# live-chain.py - can a chain be changed again and again while its disk is in use?
# SPDX-License-Identifier: BSD-3-Clause
"""live-chain.py RUN EXPORT POLICY TIMES: a filter comes, is reconfigured, and goes."""
import sys
import time

from control import Control

run, export, policy, times = sys.argv[1:]
gateway = Control(run)


def apply(*filters):
    listed = ", ".join(f"{{ {line} }}" for line in filters)
    gateway.set(f"policies/{policy}", f'name = "{policy}";\nfilters = ( {listed} );\n')


def chain():
    return [f["name"] for f in gateway.export(export)["filters"]]


def place(name):
    return next(f["place"] for f in gateway.export(export)["filters"] if f["name"] == name)


def option(filter_name, name, value):
    """Through the file that an administrator would write to; without a pause."""
    path = f"exports/{export}/filters/{place(filter_name)}/options/{name}"
    before = gateway.export(export)["last_pause_ns"]
    gateway.set(path, value)
    assert gateway.get(path).split()[0] == value, gateway.get(path)
    assert gateway.export(export)["last_pause_ns"] == before, "a LIVE option paused the disk"


def writes():
    return gateway.export(export)["store"]["write"]["requests"]


PASS = 'filter = "pass"'
IDLE = 'filter = "fault"; rate = 0.0;'
apply(PASS)
before, limit = writes(), time.monotonic() + 120
while writes() == before:  # fio begins a round
    assert time.monotonic() < limit, "there is no load"
    time.sleep(0.01)
first = gateway.export(export)
for n in range(int(times)):
    apply(PASS, IDLE, 'filter = "inspection"; ring = 64;')  # two are added
    assert sorted(chain()) == ["fault", "inspection", "pass"], chain()
    option("fault", "delay", f"{n % 5 + 1}us")  # LIVE, by its file
    apply(PASS, IDLE + " count = 7;", 'filter = "inspection"; ring = 64;')  # LIVE, by the policy
    apply(PASS, IDLE, 'filter = "inspection"; ring = 128;')  # not LIVE: it is taken out and put in
    assert gateway.get(f"exports/{export}/filters/{place('inspection')}/options/ring").split()[0] == "128"
    apply(PASS)  # and both removed
    assert chain() == ["pass"], chain()
last = gateway.export(export)
assert last["state"] == "active", last
changes = last["generation"] - first["generation"]
assert changes >= 5 * int(times), f"{changes} generations"
print(f"{changes} changes, {writes() - before} writes meanwhile, longest pause {last['longest_pause_ns'] / 1e6:.1f} ms")
