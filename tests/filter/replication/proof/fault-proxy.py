#!/usr/bin/env python3
"""What can a network do to the connections between two sites?
SPDX-License-Identifier: BSD-3-Clause

fault-proxy.py serve LISTEN TARGET CONTROL   passes bytes on, from LISTEN to TARGET, each a path of a
                                             Unix socket or HOST:PORT, until TERM
fault-proxy.py tell CONTROL WORDS…           prints the answer; 1: that is no word of it

Up is from who connects to the TARGET.  The words:
  status                        an object: connections now, accepted, refused, bytes up and down, …
  delay up|down|both MS [JITTER]   each piece comes so much later, and up to JITTER ms more, which
                                differs by connection: what is on one overtakes what is on another
  rate up|down|both BYTES|max   a second, of all connections together
  cut                           connections are reset, and new ones, too
  reset                         connections are reset; new ones are welcome
  reset-after BYTES             the same when so many bytes more have gone up, in the middle of them
  freeze                        half-open: connections stay, and no byte comes through
  heal                          cut and freeze are over; what was frozen goes on
  corrupt RATE [LEAST]          one bit of so many of the writes of at least LEAST bytes (65536)
                                is inverted, in their data; not of connections with TLS
  clear                         no delay, rate or corruption; heal
"""
import asyncio
import json
import os
import random
import signal
import socket
import struct
import sys
import time

CHUNK = 1 << 18
HELD = 8 << 20  # bytes that one direction of a connection may hold
OPTION, REQUEST = b"IHAV", struct.pack(">I", 0x25609513)
STARTTLS, WRITE = 5, 1


def open_socket(name):
    """A socket, and the address to bind or connect it to."""
    if "/" in name:
        return socket.socket(socket.AF_UNIX), name
    host, _, port = name.rpartition(":")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s, (host, int(port))


class Writes:
    """Finds the data of writes in what an NBD client sends."""

    def __init__(self, link):
        self.link, self.head, self.need = link, b"", 4
        self.skip, self.hit, self.opaque, self.greeted = 0, None, False, False

    def begun(self):
        """The head is as long as was needed: how much more, or what follows it?"""
        head = self.head
        if not self.greeted:
            self.greeted, self.head = True, b""  # the client's flags
        elif len(head) == 4:
            self.need = {OPTION: 16, REQUEST: 28}.get(head, 0)
            self.opaque = not self.need
        elif head[:4] == OPTION:
            option, self.skip = struct.unpack(">8xII", head)
            self.opaque = option == STARTTLS
            self.head, self.need = b"", 4
        else:
            kind, length = struct.unpack(">4x2xH8x8xI", head)
            self.head, self.need = b"", 4
            if kind == WRITE:
                self.skip = length
                if length >= self.link.least and random.random() < self.link.corrupt:
                    self.hit = random.randrange(length)

    def see(self, data):
        at = 0
        while at < len(data) and not self.opaque:
            if self.skip:
                n = min(self.skip, len(data) - at)
                if self.hit is not None and self.hit < n:
                    data[at + self.hit] ^= 1 << random.randrange(8)
                    self.link.count["corrupted"] += 1
                    self.hit = None
                elif self.hit is not None:
                    self.hit -= n
                self.skip -= n
            else:
                n = min(self.need - len(self.head), len(data) - at)
                self.head += bytes(data[at : at + n])
                if len(self.head) == self.need:
                    self.begun()
            at += n


async def both(*what):
    """Until all have ended, or one with an exception: then none goes on, and sockets may be closed."""
    tasks = [asyncio.ensure_future(w) for w in what]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Direction:
    """One direction of one connection: takes pieces, and passes each on when its time has come."""

    def __init__(self, link, name, source, sink):
        self.link, self.name, self.source, self.sink = link, name, source, sink
        self.queue, self.held, self.last = asyncio.Queue(), 0, 0.0
        self.room = asyncio.Event()
        self.writes = Writes(link) if name == "up" else None

    def due(self):
        delay, jitter = self.link.delay[self.name]
        self.last = max(self.last, time.monotonic() + delay + jitter * random.random())
        return self.last

    async def take(self):
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = bytearray(await loop.sock_recv(self.source, CHUNK))
            except OSError as e:  # it was reset: so is the other side, in its time
                self.queue.put_nowait((self.due(), e))
                return
            if self.writes:
                self.writes.see(data)
            self.held += len(data)
            self.queue.put_nowait((self.due(), data))
            if not data:
                return
            while self.held > HELD:
                self.room.clear()
                await self.room.wait()

    async def give(self):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self.queue.get()
            while (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self.link.thawed.wait()
            if isinstance(data, OSError):
                raise data
            if not data:
                self.sink.shutdown(socket.SHUT_WR)
                return
            await self.link.pace(self.name, len(data))
            data = self.link.count_bytes(self.name, data)
            await loop.sock_sendall(self.sink, data)
            self.link.end_if_over()
            self.held -= len(data)
            self.room.set()

    async def run(self):
        await both(self.take(), self.give())


class Link:
    def __init__(self, target):
        self.target, self.connections = target, {}
        self.count = dict.fromkeys(("accepted", "refused", "reset", "corrupted", "up", "down"), 0)
        self.thawed = asyncio.Event()
        self.clear()

    def clear(self):
        self.delay = {"up": (0.0, 0.0), "down": (0.0, 0.0)}
        self.rate = {"up": 0, "down": 0}
        self.free = {"up": 0.0, "down": 0.0}  # when the link has carried what it was given
        self.corrupt, self.least = 0.0, 1 << 16
        self.reset_at = None
        self.heal()

    def heal(self):
        self.refuses = False
        self.thawed.set()

    async def pace(self, name, length):
        if self.rate[name]:
            start = max(self.free[name], time.monotonic())
            self.free[name] = start + length / self.rate[name]
            await asyncio.sleep(self.free[name] - time.monotonic())

    def count_bytes(self, name, data):
        """What of these bytes still goes."""
        if name == "up" and self.reset_at is not None and self.count["up"] + len(data) >= self.reset_at:
            data = data[: self.reset_at - self.count["up"]]
        self.count[name] += len(data)
        return data

    def end_if_over(self):
        if self.reset_at is not None and self.count["up"] >= self.reset_at:
            self.reset_at = None
            self.reset()

    def reset(self):
        for task in list(self.connections):
            task.cancel()

    async def connection(self, client):
        server, address = open_socket(self.target)
        server.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(server, address)
            await both(
                Direction(self, "up", client, server).run(),
                Direction(self, "down", server, client).run(),
            )
        except OSError:
            self.kill(client, server)
        except asyncio.CancelledError:
            self.count["reset"] += 1
            self.kill(client, server)
        finally:
            client.close()
            server.close()

    @staticmethod
    def kill(*sockets):
        for s in sockets:
            if s.family != socket.AF_UNIX:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def accept(self, listener):
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            client.setblocking(False)
            if self.refuses:
                self.count["refused"] += 1
                self.kill(client)
                client.close()
                continue
            self.count["accepted"] += 1
            task = asyncio.ensure_future(self.connection(client))
            self.connections[task] = True
            task.add_done_callback(self.connections.pop)

    # ---- the words ----

    def say_status(self):
        return json.dumps({"connections": len(self.connections), **self.count})

    def tell(self, word, *rest):
        ways = {"up": ("up",), "down": ("down",), "both": ("up", "down")}
        if word == "status" and not rest:
            return self.say_status()
        if word == "delay":
            ms = [float(n) / 1000 for n in rest[1:]] + [0.0]
            self.delay.update((way, (ms[0], ms[1])) for way in ways[rest[0]])
        elif word == "rate":
            rate = 0 if rest[1] == "max" else int(rest[1])
            self.rate.update((way, rate) for way in ways[rest[0]])
        elif word == "reset-after":
            self.reset_at = self.count["up"] + int(rest[0])
        elif word == "corrupt":
            self.corrupt, self.least = float(rest[0]), int(rest[1]) if rest[1:] else 1 << 16
        elif word == "freeze" and not rest:
            self.thawed.clear()
        elif word in ("cut", "reset") and not rest:
            self.refuses = word == "cut"
            self.reset()
        elif word in ("heal", "clear") and not rest:
            getattr(self, word)()
        else:
            raise ValueError(word)
        return ""

    async def control(self, reader, writer):
        words = (await reader.readline()).decode().split()
        try:
            answer = self.tell(*words)
        except (ValueError, IndexError, KeyError, TypeError) as e:
            answer = f"not understood: {' '.join(words)} ({e!r})"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


async def serve(listen, target, control):
    listener, address = open_socket(listen)
    listener.bind(address)
    listener.listen(64)
    listener.setblocking(False)
    if "/" not in listen:
        print("port", listener.getsockname()[1], flush=True)
    link = Link(target)
    await asyncio.start_unix_server(link.control, control)
    accepting = asyncio.ensure_future(link.accept(listener))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, accepting.cancel)
    try:
        await accepting
    except asyncio.CancelledError:
        link.reset()
        await asyncio.sleep(0)


def tell(control, *words):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(control)
        s.sendall(" ".join(words).encode() + b"\n")
        answer = s.makefile().read()
    if answer:
        print(answer)
    return answer.startswith("not understood")


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "serve":
        asyncio.run(serve(*sys.argv[2:]))
    elif len(sys.argv) > 3 and sys.argv[1] == "tell":
        sys.exit(tell(*sys.argv[2:]))
    else:
        sys.exit(__doc__)
