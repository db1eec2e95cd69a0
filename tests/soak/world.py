"""world.py - which processes does an episode consist of, and how do they begin and end?
SPDX-License-Identifier: BSD-3-Clause

Two sites at most, each with a folder, a host and a gateway; a mount of the first; the link between.
Only what was started here is stopped.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import nbd

from host import Host
from model import Broken, Unsure
from plan import DISK

SOURCE = os.environ["WEIR_SOURCE"]
BUILD = os.environ["WEIR_BUILD"]
HOST_LIBRARY = os.environ.get("WEIR_SOAK_HOST", BUILD + "/tests/soak/host.so")
PATIENCE = 60  # seconds until something that ought to happen never will
KNOWN_ABORT = "raw_send_socket: Assertion `sock >= 0' failed"  # nbdkit before 1.33.10
COMPLAINTS = ("Assertion", "Sanitizer", "runtime error:", "*** ", "corrupted", "double free", "weir_resume",
              "misuse")


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.get("message", str(answer)))
        self.answer = answer


def wait_for(what, condition, seconds=PATIENCE, every=0.02):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise Broken(f"never: {what}")
        time.sleep(every)


class Site:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.folder = f"{world.folder}/{name}"
        for sub in ("run", "state", "disks", "pool", "vault", "etc/policies.d"):
            os.makedirs(f"{self.folder}/{sub}")
        self.host = Host(self.folder)
        self.socket = f"{world.folder}/{name}.sock"
        self.log = f"{world.folder}/{name}.log"
        self.process, self.lives, self.stopped = None, 0, False

    def start(self, wait=True):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.host.begin_life()
        environment = dict(os.environ, WEIR_FILTERS=os.environ.get("WEIR_FILTERS", BUILD + "/filters"),
                           **self.host.environment(HOST_LIBRARY))
        with open(self.log, "ab") as log:
            log.write(f"--- life {self.lives}\n".encode())
            self.process = subprocess.Popen(
                ["nbdkit", "-f", "-t", "16", "-U", self.socket, BUILD + "/plugins/nbdkit-weir-plugin.so",
                 f"conf={self.folder}/etc/weir.conf", f"run={self.folder}/run", f"state={self.folder}/state"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/")
        self.lives += 1
        self.stopped = False
        if wait:
            wait_for(f"the gateway of the {self.name} answers", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise Broken(f"the {self.name} ended by itself as it began: {self.ended_how()}")
        try:
            self.ask("show", export="vm1")
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.socket)
            s.close()
            return True
        except (OSError, Refused):
            return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        if self.stopped:
            self.stopped = False
            self.process.send_signal(signal.SIGCONT)

    def end(self):
        """In order, as systemd would."""
        self.thaw()
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Broken(f"the gateway of the {self.name} does not end on SIGTERM within {PATIENCE} s") from None
        if code and not self.known_abort():
            raise Broken(f"the gateway of the {self.name} ended with {code} on SIGTERM: {self.last_words()}")

    def last_words(self, size=3000):
        with open(self.log, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log) - size))
            return f.read().decode(errors="replace").split("--- life")[-1]

    def known_abort(self):
        return self.process.poll() == -signal.SIGABRT and KNOWN_ABORT in self.last_words()

    def ended_how(self):
        return f"exit {self.process.poll()}: {self.last_words()}"

    # ---- what it is told ----

    def ask(self, op, timeout=PATIENCE, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(f"{self.folder}/run/ctl/main.sock")
            s.sendall((json.dumps({"op": op, **more}) + "\n").encode())
            with s.makefile("r") as stream:
                line = stream.readline()
        if not line:
            raise ConnectionResetError("the gateway is gone")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(answer)
        return answer

    def export(self, name="vm1"):
        return self.ask("show", export=name)["exports"][0]

    def get(self, path):
        return self.ask("get", path=path)["text"].rstrip("\n")

    def place(self, label, name="vm1"):
        for f in self.export(name)["filters"]:
            if f["label"] == label:
                return f["place"]
        return None

    def verb(self, label, words):
        return self.ask("set", path=f"exports/vm1/filters/{self.place(label)}/ctl", text=words).get("text", "")

    def option(self, label, option, value):
        self.ask("set", path=f"exports/vm1/filters/{self.place(label)}/options/{option}", text=str(value))

    def stat(self, label, name):
        return self.get(f"exports/vm1/filters/{self.place(label)}/stats/{name}")


class World:
    """What the parts of an episode share."""

    def __init__(self, folder, plan, say):
        self.folder, self.plan, self.say = folder, plan, say
        os.makedirs(folder)
        self.failure, self.doubt, self.over = None, None, False
        self.still = threading.Event()  # set: guests ask for nothing
        self.guests, self.others = [], []
        self.model, self.hot, self.trims = None, 0, plan.trims
        self.size = DISK                # of the disk, at least
        self.calm_since = None          # no fault since then: no request may fail
        self.hurt = set()               # what has happened that excuses a promise for good
        self.site = Site(self, "source")
        self.target = Site(self, "target") if plan.replication else None
        self.mount = folder + "/mnt"
        os.makedirs(self.mount)
        self.weirfs = self.proxy = None
        self.applied = None             # the text of the policy that was taken last

    def uri(self, export="vm1", site=None):
        return f"nbd+unix:///{export}?socket={(site or self.site).socket}"

    # ---- promises, as they break ----

    def broken(self, words):
        if self.failure is None:
            self.failure = words
        self.over = True

    def unsure(self, words):
        if self.doubt is None:
            self.doubt = words
        self.over = True

    def check(self):
        if self.failure:
            raise Broken(self.failure)
        if self.doubt:
            raise Unsure(self.doubt)

    def excuse_needed(self, started, words):
        if self.calm_since is not None and started > self.calm_since:
            raise Broken(f"with no fault anywhere: {words}")

    def trouble(self):
        self.calm_since = None

    # ---- beginning and end ----

    def spawn(self, name, *command, **more):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **more)
        self.others.append(p)
        return p

    def start_mount(self):
        self.weirfs = self.spawn("weirfs", BUILD + "/gateway/weirfs/weirfs", f"--run={self.site.folder}/run", "-f",
                                 "-o", "timeout=20000", self.mount)
        wait_for("the mount is there", lambda: os.path.ismount(self.mount) and os.path.exists(self.mount + "/metrics"))

    def end_mount(self, how=signal.SIGTERM):
        self.weirfs.send_signal(how)
        self.weirfs.wait(PATIENCE)
        subprocess.run(["fusermount3", "-u", "-z", self.mount], stderr=subprocess.DEVNULL)

    def start_link(self):
        tool = SOURCE + "/tests/filter/replication/proof/fault-proxy.py"
        self.proxy = self.spawn("link", sys.executable, tool, "serve", self.folder + "/link.sock",
                                self.target.socket, self.folder + "/link.ctl")
        wait_for("the link is there", lambda: os.path.exists(self.folder + "/link.ctl"))

    def link(self, *words):
        tool = SOURCE + "/tests/filter/replication/proof/fault-proxy.py"
        subprocess.run([sys.executable, tool, "tell", self.folder + "/link.ctl", *words], check=True,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE)

    def begin(self):
        self.plan.write(self)
        if self.target:
            self.target.start()
            self.start_link()
        self.site.start()
        self.start_mount()

    def pause(self):
        """No guest asks for anything when this returns; one whose request hangs is a broken promise."""
        self.still.set()
        for g in self.guests:
            if not g.paused.wait(PATIENCE):
                raise Broken(f"{g.name} has waited for {PATIENCE} s: {g.what and g.what[1]}")
        self.check()

    def go_on(self):
        for g in self.guests:
            g.paused.clear()
        self.still.clear()

    def connect(self, export="vm1", site=None):
        h = nbd.NBD()
        h.connect_uri(self.uri(export, site))
        return h

    def connects(self, export="vm1", site=None):
        try:
            self.connect(export, site).shutdown()
            return True
        except nbd.Error:
            return False

    def clean_up(self):
        self.over = True
        self.still.clear()
        for site in filter(None, (self.site, self.target)):
            if site.alive():
                site.thaw()
                site.kill()
        for p in self.others:
            if p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait()
        subprocess.run(["fusermount3", "-u", "-z", self.mount], stderr=subprocess.DEVNULL)
        for g in self.guests:
            g.join(PATIENCE)
