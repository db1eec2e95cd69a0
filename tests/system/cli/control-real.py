#!/usr/bin/python3
# control-real.py - who keeps the disks of an emulated device busy?
# SPDX-License-Identifier: BSD-3-Clause
"""control-real.py SOCKET EXPORT…: DEPTH reads in flight on each, until SIGTERM.

Then it waits for its answers: an nbdkit whose client vanishes while many of its requests
are at work may abort, and that is another test's matter.
"""
import select
import signal
import sys

import nbd

DEPTH = 48  # together more than the window that a datastore begins with
stopping = False


def stop(number, frame):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
handles = []
for export in sys.argv[2:]:
    handle = nbd.NBD()
    handle.set_export_name(export)
    handle.connect_unix(sys.argv[1])
    handles.append(handle)
poll = select.poll()
for handle in handles:
    poll.register(handle.aio_get_fd(), select.POLLIN)
while not stopping or any(handle.aio_in_flight() for handle in handles):
    for handle in handles:
        while not stopping and handle.aio_in_flight() < DEPTH:
            handle.aio_pread(nbd.Buffer(4096), 0, lambda error: 1)
    poll.poll(100)
    for handle in handles:
        handle.poll(0)
for handle in handles:
    handle.shutdown()
