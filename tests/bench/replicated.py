# replicated.py - which two sites, links and rivals does a bench of replication run?
# SPDX-License-Identifier: BSD-3-Clause
"""A source is a gateway with one disk, "vm1"; its target another one; the link between them is the
tests' fault proxy or nothing.  Rival: QEMU's blockdev-mirror in a storage daemon, to an NBD server.
"""
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time

from lab import Server

MIB = 1 << 20
GRANULE = 65536
DISK = 256  # MiB
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROXY = [sys.executable, os.path.join(SOURCE, "tests/filter/replication/proof/fault-proxy.py")]
IN_STEP = 60  # s that a target may need for it


def wait_for(what, condition, seconds=IN_STEP, pause=.02, more=lambda: ""):
    """What condition() gives at last; if it does not, all ends with what was waited for, and more()."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s for {what}{more()}")
        time.sleep(pause)
    return got


# ---- gateways ---------------------------------------------------------------------------

class Site(Server):
    """A gateway whose configuration is given; with a connection to its control socket."""

    def __init__(self, lab, name, conf, policies=None):
        self.folder = os.path.join(lab.folder, name)  # its state, too
        os.makedirs(os.path.join(self.folder, "policies"))
        for policy, text in (policies or {}).items():
            with open(os.path.join(self.folder, "policies", policy + ".conf"), "w") as file:
                file.write(text)
        with open(os.path.join(self.folder, "weir.conf"), "w") as file:
            file.write(conf + 'include_policies = "policies";\n')
        self.lab, self.name, self.stream, self.filters = lab, name, None, {}
        self.start()

    def start(self):
        """Again after stop() or kill(): the same disks."""
        with contextlib.suppress(FileNotFoundError):  # of one that was killed
            os.unlink(os.path.join(self.lab.folder, self.name + ".sock"))
        super().__init__(self.lab, self.name, [
            "nbdkit", "-f", "-t", "64", "-U", "{sock}",
            os.path.join(self.lab.build, "plugins/nbdkit-weir-plugin.so"),
            "conf=" + os.path.join(self.folder, "weir.conf"), "run=" + self.lab.folder,
            "state=" + self.folder, "name=" + self.name,
            "filters=" + os.path.join(self.lab.build, "filters")])
        s = wait_for(self.name + " to listen", self.control, 30)
        s.settimeout(IN_STEP)
        self.stream = s.makefile("rw")

    def control(self):
        """Its control socket is there before clients are served."""
        if self.process.poll() is not None:
            sys.exit(f"{self.name} did not start: {open(self.log).read()[-2000:]}")
        s = socket.socket(socket.AF_UNIX)
        place = os.path.join(self.lab.folder, "ctl", self.name + ".sock")
        if os.path.exists(self.sock) and s.connect_ex(place) == 0:
            return s
        s.close()
        return None

    def ask(self, **request):
        self.stream.write(json.dumps(request) + "\n")
        self.stream.flush()
        answer = json.loads(self.stream.readline())
        if not answer["ok"]:
            sys.exit(f"{self.name}: {request}: {answer['message']}")
        return answer

    def get(self, path):
        return self.ask(op="get", path=path)["text"].strip()

    def verb(self, path, words):
        return self.ask(op="set", path=path, text=words).get("text", "")


def file_store(lab):
    return f'type = "file"; path = "{lab.media}";'


class Source(Site):
    """`options` of the filter replication; None: there is none.  `store`: keys of the datastore."""

    def __init__(self, lab, name, options=None, disk=DISK, store=None):
        self.replicated = options is not None
        policy = f'{{ filter = "replication"; {options} }}' if self.replicated else ""
        super().__init__(
            lab, name,
            f'datastores = ( {{ name = "d"; {store or file_store(lab)} }} );\n'
            f'exports = ( {{ name = "vm1"; datastore = "d"; image = "{name}"; size = "{disk}M"; '
            f'policy = "p"; }} );\n', {"p": f'name = "p"; filters = ( {policy} );\n'})
        self.wait("vm1")
        self.export, self.place, self.target = "vm1", None, None

    def at(self, node):
        if not self.place:
            names = self.ask(op="list", path="exports/vm1/filters")["names"]
            (name,) = [n["name"] for n in names if n["name"].endswith("-replication")]
            self.place = "exports/vm1/filters/" + name
        return f"{self.place}/{node}"

    def stat(self, name):
        return self.get(self.at("stats/" + name))

    def count(self, *names):
        return [int(self.stat(name)) for name in names]

    def option(self, name, value):
        self.ask(op="set", path=self.at("options/" + name), text=value)

    def say(self, words):
        return self.verb(self.at("ctl"), words)

    def is_in_step(self):
        state, (lsn, acked) = self.stat("state"), self.count("lsn", "acked_lsn")
        return state == "streaming" and lsn == acked

    def settle(self):
        """All that was written has arrived, and nothing is left to be done for it."""
        if self.replicated:
            wait_for(f"{self.name} to be in step", self.is_in_step,
                     more=lambda: f": it is {self.stat('state')}: {self.stat('last_error')}")
        if self.target:
            self.target.settle()


class Target(Site):
    """What the source "vm1" is sent to.  `kind`: vault or plain; `options`: of a vault."""

    def __init__(self, lab, name, kind, options, disk):
        self.kind, self.vault = kind, os.path.join(lab.media, name)
        os.makedirs(self.vault)
        if kind == "vault":
            conf = (f'datastores = ( {{ name = "v"; type = "vault"; path = "{self.vault}"; '
                    f'{options} }} );\n'
                    'exports = ( { name = "log:vm1"; datastore = "v"; image = "log:vm1"; }, '
                    '{ name = "vm1"; datastore = "v"; image = "vm1"; } );\n')
        else:
            conf = (f'datastores = ( {{ name = "v"; type = "file"; path = "{self.vault}"; }} );\n'
                    'exports = ( { name = "vm1"; datastore = "v"; image = "vm1"; '
                    f'size = "{disk}M"; }} );\n')
        super().__init__(lab, name, conf)
        self.export = "vm1"

    def stat(self, name):
        return self.get("exports/log:vm1/store/stats/" + name)

    def say(self, words):
        return self.verb("exports/log:vm1/store/ctl", words)

    def settle(self):
        """What has come is on the disks, too."""
        if self.kind == "vault":
            wait_for(f"{self.name} to apply all", lambda: self.stat("lag") == "0")


class Plain(Server):
    """nbdkit with one of its plugins."""

    def __init__(self, lab, name, *plugin):
        super().__init__(lab, name, ["nbdkit", "-f", "-t", "64", "-U", "{sock}", *plugin])
        self.export = ""
        self.wait()


def echo(lab, name):
    """No disk: what it takes is what the way to it takes."""
    return Plain(lab, name, "null", f"{DISK}M")


def file_disk(lab, name):
    return Plain(lab, name, "file", empty_image(lab, name))


def empty_image(lab, name):
    path = os.path.join(lab.media, name)
    with open(path, "wb") as file:
        file.truncate(DISK * MIB)
    return path


class Link(Server):
    """The fault proxy in the way to another server."""

    def __init__(self, lab, name, server):
        self.ctl, self.export = os.path.join(lab.folder, name + ".ctl"), server.export
        super().__init__(lab, name, PROXY + ["serve", "{sock}", server.sock, self.ctl])
        wait_for(name, lambda: self.word("status", check=False), 30)

    def word(self, *words, check=True):
        done = subprocess.run(PROXY + ["tell", self.ctl, *words], check=check, text=True,
                              capture_output=True)
        return done.returncode == 0 and (done.stdout or "done")

    def round_trip(self, ms):
        self.word("delay", "both", str(ms / 2))

    def rate(self, bytes_per_second):
        self.word("rate", "both", str(bytes_per_second or "max"))


class Pair:
    """Both sites, with a link between them if `proxied`."""

    def __init__(self, lab, o, name="", proxied=False, options="", vault='history = "1h";',
                 disk=DISK, store=None):
        self.target = Target(lab, "target" + name, o.target, vault, disk)
        self.link = Link(lab, "link" + name, self.target) if proxied else None
        way = (self.link or self.target).sock
        self.source = Source(
            lab, "source" + name,
            f'target = "nbd+unix:///vm1?socket={way}"; target_type = "{o.target}"; '
            f'reconnect_delay = "100ms"; {options}', disk, store)
        self.source.target = self.target
        self.source.settle()

    def stop(self):
        for server in (self.source, self.link, self.target):
            if server:
                server.stop()


# ---- the rival --------------------------------------------------------------------------

class Mirror(Server):
    """A storage daemon that serves a raw disk; `to`: and mirrors it there, in that copy-mode of
    blockdev-mirror."""

    def __init__(self, lab, name, to=None, copy_mode=None):
        self.export = ""
        image, self.qmp = empty_image(lab, name), os.path.join(lab.folder, name + ".qmp")
        words = ["qemu-storage-daemon",
                 "--nbd-server", "addr.type=unix,addr.path={sock},max-connections=16",
                 "--chardev", f"socket,path={self.qmp},server=on,wait=off,id=c",
                 "--monitor", "chardev=c",
                 "--blockdev", f"driver=file,node-name=src,filename={image},aio=threads",
                 "--export", "type=nbd,id=e,node-name=src,name=,writable=on"]
        if to:
            words += ["--blockdev", "driver=nbd,node-name=dst,server.type=unix,"
                      f"server.path={to.sock},export={to.export}"]
        super().__init__(lab, name, words)
        self.wait()
        self.mirrors, self.stream = to is not None, None
        if to:
            self.connect()
            self.ask("blockdev-mirror", **{"job-id": "m", "device": "src", "target": "dst",
                                           "sync": "full", "copy-mode": copy_mode})
            self.settle()

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(IN_STEP)
        s.connect(self.qmp)
        self.stream = s.makefile("rw")
        self.stream.readline()  # its greeting
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                sys.exit(f"{self.name}: {command}: {answer['error']['desc']}")
            if "return" in answer:  # else it is an event
                return answer["return"]

    def is_in_step(self):
        (job,) = self.ask("query-block-jobs")
        return job["ready"] and job["len"] == job["offset"]

    def settle(self):
        if self.mirrors:
            wait_for(f"{self.name} to be in step", self.is_in_step)


# ---- what is done to them ----------------------------------------------------------------

def writes(lab, seconds, server, during=None, **words):
    """The Answers of one client that writes what does not compress."""
    client = server.client(server.export, op="write", data="random",
                           **{"span": DISK * MIB, **words})
    return lab.load(seconds, [client], during)[0][0]


def written_bytes(server):
    """What the process has written to disks, not to folders in memory."""
    with open(f"/proc/{server.process.pid}/io") as file:
        return int(re.search(r"^write_bytes: (\d+)", file.read(), re.M)[1])


def part(values, share):
    """What `share` of the values is at most."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def median_of(values):
    return f"{statistics.median(values):,.0f}"
