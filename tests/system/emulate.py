#!/usr/bin/python3
# emulate.py - how long do clients take on disks of an emulated device?
# SPDX-License-Identifier: BSD-3-Clause
"""emulate.py SOCKET: exports "a" and "b" on 4 servers of 4 ms, "f" on none.

Times are compared with the least that the device allows, which no disturbance undercuts.
"""
import sys
import time

import nbd

SERVERS, SERVICE = 4, 0.004
DEPTH, REQUESTS = 24, 1000


def connect(export):
    handle = nbd.NBD()
    handle.set_export_name(export)
    handle.connect_unix(sys.argv[1])
    return handle


def read_all(handles, requests, length):
    """`requests` reads of each, DEPTH in flight."""
    left = {handle: requests for handle in handles}
    began = time.monotonic()
    while any(left.values()) or any(handle.aio_in_flight() for handle in handles):
        for handle in handles:
            while left[handle] and handle.aio_in_flight() < DEPTH:
                handle.aio_pread(nbd.Buffer(length), left[handle] % 16 * length, lambda error: 1)
                left[handle] -= 1
            handle.poll(0 if len(handles) > 1 else -1)
        if len(handles) > 1:
            time.sleep(0.0005)
    return time.monotonic() - began


def check(what, took, services):
    least = services / SERVERS * SERVICE
    print(f"{what}: {took:.4f} s, {least:.4f} is the least, {100 * (took / least - 1):.2f} % more")
    assert took >= least, what


a, b, fast = connect("a"), connect("b"), connect("f")
check("one disk", read_all([a], REQUESTS, 4096), REQUESTS)
check("two disks", read_all([a, b], REQUESTS // 2, 4096), REQUESTS)
check("large reads", read_all([a], 32, 256 << 10), 32 * 8)
began = time.monotonic()
a.pwrite(b"\xa5" * 65536, 65536)
a.flush()
assert time.monotonic() - began >= 3 * SERVICE, "a write of 64 KiB and a flush"
assert a.pread(65536, 65536) == b"\xa5" * 65536
print(f"not emulated: {read_all([fast], REQUESTS, 4096):.4f} s")
