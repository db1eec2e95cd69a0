"""promises.py - what is promised beside the bytes of the disk, and is it so now?
SPDX-License-Identifier: BSD-3-Clause
"""
import json
import os
import random
import subprocess
import threading
import time

import nbd

from changes import weirctl
from model import PLAIN, Broken, Unsure
from plan import DISK, HEADER
from world import COMPLAINTS, KNOWN_ABORT, PATIENCE, Refused, wait_for

# Of a statistic that is none of these a later reading is never less.
COUNTED = ("requests", "bytes", "passed", "completed", "failed", "deferred", "derived", "derived_bytes")


class Promises:
    def __init__(self, world):
        self.world = world
        self.counts, self.life, self.gone_since = {}, None, None
        world.locked_down = ("sealed", "lacking", "denied")

    # ---- who gets nothing ----

    def nobody_gets_in(self):
        """Neither a locked export nor one that names others is served to anybody."""
        for name in self.world.locked_down:
            try:
                h = self.world.connect(name)
            except nbd.Error:
                continue
            try:
                words = repr(bytes(h.pread(32, 0)))
            except nbd.Error as e:
                words = str(e)
            raise Broken(f'the export "{name}" was opened by somebody who must not: {words}')

    def list_has_no_effect(self):
        world = self.world
        what = ("state", "generation", "compliance", "policy", "size_bytes")
        before = {e["name"]: [e[w] for w in what] for e in world.site.ask("show")["exports"]}
        done = subprocess.run(["nbdinfo", "--list", "--json", world.uri("")], capture_output=True, text=True, timeout=PATIENCE)
        after = {e["name"]: [e[w] for w in what] for e in world.site.ask("show")["exports"]}
        if before != after and world.calm_since is not None:
            raise Broken(f"nbdinfo --list has changed {before} to {after}")
        if "vm1" not in done.stdout + done.stderr and world.calm_since is not None:
            raise Broken(f"nbdinfo --list does not know the disk: {done.stdout} {done.stderr}")

    # ---- what survives ----

    def after_restart(self):
        world = self.world
        if world.applied is not None:
            text = world.site.ask("get", path="policies/p")["text"]
            if text != world.applied:
                raise Broken(f"an applied policy did not survive: it is {text!r}, and was {world.applied!r}")
        self.nobody_gets_in()
        state = world.site.export()
        if state["size_bytes"] < world.size:
            raise Broken(f"the disk has grown to {world.size} bytes, and after a restart it has {state['size_bytes']}")
        if state["compliance"] != "compliant":
            raise Broken(f"after a restart the disk is {state['compliance']}: {state['compliance_reason']}")

    # ---- what can be read of it ----

    def watch(self):
        """A thread: the mount always answers, and what is counted never becomes less."""
        world = self.world
        while not world.over:
            try:
                self.look()
            except Broken as e:
                world.broken(str(e))
            except Unsure as e:
                world.unsure(str(e))
            except (OSError, Refused, KeyError, ValueError):
                pass  # the gateway is gone, or coming
            time.sleep(0.2)

    def look(self):
        world = self.world
        with world.mount_lock:
            started = time.monotonic()
            for name in ("exports/vm1/state", "metrics", "gateways/main/state", "exports/vm1/stats/write/requests"):
                try:
                    with open(f"{world.mount}/{name}") as f:
                        f.read()
                except OSError:
                    pass  # says so, and does not hang
            took = time.monotonic() - started
            if took > PATIENCE:
                raise Broken(f"the mount took {took:.0f} s for an answer")
            if world.weirfs.poll() is not None:
                raise Broken(f"weirfs has ended with {world.weirfs.returncode}")
        life = self.opening()
        show = world.site.ask("show", export="vm1")["exports"][0]
        if self.opening() != life or world.site.host.memory or world.memory_back > started:
            return  # without memory an answer may lack what there is
        self.counts_grow(life, show)

    def opening(self):
        """Filters begin to count when the disk is opened: when nobody has it open, it is closed."""
        site = self.world.site
        with open(site.log, "rb") as f:
            return site.lives, site.process.pid, f.read().count(b'export=vm1 text="open, ')

    def counts_grow(self, life, show):
        world = self.world
        now = {}
        for op, values in show["ops"].items():
            now.update({f"{op} {k}": values[k] for k in COUNTED if k in values})
        for op, values in show["store"].items():
            now.update({f"store {op} {k}": values[k] for k in COUNTED if k in values})
        for f in show["filters"]:
            for op, values in f["ops"].items():
                if f["label"] in ("top", "low"):  # those that never leave the chain
                    now.update({f"{f['label']} {op} {k}": values[k] for k in COUNTED if k in values})
        if self.life != life:
            self.life, self.counts, self.gone_since = life, {}, None
        for k, n in self.counts.items():
            if now.get(k, n) < n:
                time.sleep(1)  # the disk may have been opened just now, and it is not in the log yet
                if self.opening() != life:
                    return
                raise Broken(f"the statistic {k} went from {n} back to {now[k]}")
        gone = [k for k in self.counts if k not in now]
        # a disk that is being opened, or changed, may have none for a moment; they come back as they were
        self.gone_since = (self.gone_since or time.monotonic()) if gone else None
        if gone and time.monotonic() - self.gone_since > PATIENCE and world.calm_since is not None:
            raise Broken(f"statistics have vanished: {gone[:5]}")
        self.counts.update(now)

    # ---- what lies on the devices ----

    def no_plaintext(self):
        """With encryption nothing that a guest wrote is in the image or the pool; nor, without plaintext
        filters, anywhere else."""
        world = self.world
        if not world.plan.encryption:
            return
        folders = [f"{world.site.folder}/disks", f"{world.site.folder}/pool"]
        if not world.plan.plaintext:
            folders += [f"{world.site.folder}/state"] + ([f"{world.target.folder}/vault"] if world.target else [])
        for folder in folders:
            for where, _, names in os.walk(folder):
                for name in names:
                    path = os.path.join(where, name)
                    with open(path, "rb") as f:
                        found = PLAIN.search(f.read())
                    if found:
                        raise Broken(f"{path} has what a guest wrote, as it wrote it, at {found.start()}")

    def no_complaints(self):
        world = self.world
        for name in sorted(os.listdir(world.folder)):
            if not name.endswith(".log"):
                continue
            with open(f"{world.folder}/{name}", errors="replace") as f:
                for line in f:
                    if any(c in line for c in COMPLAINTS) and KNOWN_ABORT not in line:
                        raise Broken(f"{name} says: {line.strip()}")

    # ---- what grows ----

    def size(self):
        p = self.world.site.process.pid
        with open(f"/proc/{p}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        return len(os.listdir(f"/proc/{p}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0])

    def no_leak(self, before):
        """A quiet gateway has about as many files and threads as at first."""
        world = self.world

        def fits():
            files, threads, _ = self.size()
            return files <= before[0] + 16 and threads <= before[1] + 24
        try:
            wait_for("", fits, seconds=20)
        except Broken:
            raise Broken(f"files, threads and KiB were {before}, and are {self.size()}") from None
        if self.size()[2] > before[2] + (400 << 10):
            raise Broken(f"the gateway has {self.size()[2]} KiB, and had {before[2]}")

    # ---- the other site ----

    def in_step(self):
        """For a source that nobody writes to: the target has all."""
        world = self.world

        def is_it():
            world.check()
            seen = [world.site.stat("replication", name) for name in ("state", "lsn", "acked_lsn")]
            world.last = f"replication is {seen}"
            if seen[0] != "streaming" or seen[1] != seen[2]:
                return False
            answer = json.loads(world.site.verb("replication", "status"))
            world.last = f"replication is {answer}"
            return answer["lsn"] == answer["complete_lsn"]
        wait_for("the target has all", is_it, every=0.05)

    def comparable(self):
        return bool(self.world.target) and self.world.plan.sees_plaintext()

    def far_reader(self, name):
        """The other site has no excuse when it is asked."""
        try:
            h = self.world.connect(name, self.world.target)
        except nbd.Error as e:
            raise Broken(f"the other site does not serve {name}: {e}") from None

        def read(length, offset):
            data = bytearray()
            while len(data) < length:
                try:
                    data += h.pread(min(1 << 20, length - len(data)), offset + len(data))
                except nbd.Error as e:
                    raise Broken(f"the other site cannot read {name}: {e}") from None
            return bytes(data)
        return h, read

    def marks_hold(self):
        """A restore point is a moment of the source, and has what was answered before it was asked for."""
        world = self.world
        for name, asked in list(world.marks.items())[-2:]:
            h, read = self.far_reader(f"vm1@rp:{name}")
            try:
                world.model.prefix(read, acked=True, since=asked)
            except Broken as e:
                raise Broken(f"restore point {name}: {e}") from None
            h.shutdown()

    def same_bytes(self):
        """In step, and nobody writes: what replication sees here is what the target shows."""
        world = self.world
        self.in_step()
        if self.comparable():
            h, read = self.far_reader("vm1@latest")
            near = world.connect()
            for at in range(0, DISK, 1 << 20):
                here, there = near.pread(1 << 20, at), read(1 << 20, at)
                if here != there:
                    i = next(i for i in range(0, 1 << 20, 512) if here[i:i + 512] != there[i:i + 512])
                    raise Broken(f"in step with its target, and yet sector {(at + i) // 512} differs")
            near.shutdown()
            h.shutdown()
            if world.history_valid:
                self.marks_hold()

    def failover(self):
        """The source dies under load, and the target takes over: what has it?"""
        world = self.world
        sync = world.site.get(f"exports/vm1/filters/{world.site.place('replication')}/options/mode").split()[0] != "async"
        valid = world.history_valid
        now = time.monotonic()
        world.trouble()
        world.site.kill()
        world.still.set()
        for g in world.guests:
            g.paused.wait(PATIENCE)
        world.check()
        weirctl(world, "replica", "failover", "vm1", site=world.target)
        if not (valid and self.comparable()):
            return "failover"
        h, read = self.far_reader("vm1")
        beyond = world.model.prefix(read, acked=sync, since=now)
        h.shutdown()
        return f"failover, {beyond} changes were not there ({'sync' if sync else 'async'})"
