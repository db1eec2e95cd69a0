# lab.py - which servers and clients does a bench run, and how busy was the machine?
# SPDX-License-Identifier: BSD-3-Clause
"""A Lab has a folder, a build of weir, and what it started, which it stops.

What a bench compares runs on one machine with its clients: figures of other programs that
ran meanwhile are kept (Lab.others), because they say how far the others may be trusted.
"""
import contextlib
import glob
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

NOISY = 0.3  # CPUs used by programs that have no part in this


def machine():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    debian = re.search(r'PRETTY_NAME="(.*)"', open("/etc/os-release").read())
    return (f"{os.cpu_count()} CPUs, {model[1] if model else os.uname().machine}; "
            f"{debian[1] if debian else '?'}, Linux {os.uname().release}; "
            f"load {os.getloadavg()[0]:.1f} at the start")


def busy_ns():
    """CPU time of the whole machine (or taken from it: steal)."""
    ticks = [int(t) for t in open("/proc/stat").readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) * 1e9 / os.sysconf("SC_CLK_TCK")


class Server:
    """A process of the lab; `sock` is where it listens."""

    def __init__(self, lab, name, command):
        self.name = name
        self.sock = os.path.join(lab.folder, name + ".sock")
        self.log = os.path.join(lab.folder, name + ".log")
        command = [word.replace("{sock}", self.sock) for word in command]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        lab.servers.append(self)
        self.lab = lab

    def wait(self, export=""):
        uri = f"nbd+unix:///{export}?socket={self.sock}"
        end = time.monotonic() + 30
        while subprocess.run(["nbdinfo", "--size", uri], capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{self.name} did not start: {open(self.log).read()[-2000:]}")
            time.sleep(0.05)
        return self

    def cpu_ns(self):
        # the clock of another process: all its threads, those that have ended as well
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def stop(self):
        """True: it went when it was asked to."""
        if self not in self.lab.servers:
            return True
        self.lab.servers.remove(self)
        self.process.terminate()
        try:
            self.process.wait(20)
            return True
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def kill(self):
        if self in self.lab.servers:
            self.lab.servers.remove(self)
        self.process.kill()
        self.process.wait()

    def client(self, export="", **words):
        """One client, in the words of bench-load."""
        rest = "".join(f",{key}={value}" for key, value in words.items())
        return f"socket={self.sock},export={export}{rest}"


class Gateway(Server):
    """`datastore`: keys of the datastore; `disks`: {name: options of control, or None: no
    filter at all}."""

    def __init__(self, lab, name, datastore, disks, size="64M", image=""):
        self.seen = []
        folder = os.path.join(lab.folder, name)
        os.makedirs(os.path.join(folder, "policies"))
        with open(os.path.join(folder, "policies", "controlled.conf"), "w") as text:
            text.write('filters = ( { filter = "control"; } );\n')
        exports = []
        for disk, options in disks.items():
            policy = "" if options is None else (
                'policy = "controlled"; options = ( { filter = "control"; %s } );' % options)
            exports.append(f'{{ name = "{disk}"; datastore = "d"; size = "{size}"; '
                           f'{image.replace("DISK", disk)} {policy} }}')
        with open(os.path.join(folder, "weir.conf"), "w") as text:
            text.write('datastores = ( { name = "d"; %s } );\nexports = ( %s );\n'
                       'include_policies = "policies";\n' % (datastore, ",\n  ".join(exports)))
        super().__init__(lab, name, [
            "nbdkit", "-f", "-t", "64", "-U", "{sock}",
            os.path.join(lab.build, "plugins/nbdkit-weir-plugin.so"),
            "conf=" + os.path.join(folder, "weir.conf"), "run=" + lab.folder,
            "state=" + folder, "name=" + name, "filters=" + os.path.join(lab.build, "filters")])
        self.wait(next(iter(disks)))

    def watch(self, disk, seconds):
        """For Lab.load(): what the control filter of `disk` says of the datastore then."""
        time.sleep(seconds)
        shown = json.loads(self.lab.weirctl("--json", "--gateway=" + self.name, "export", "show",
                                            disk))
        (control,) = [f for f in shown["filters"] if f.get("name", f.get("label")) == "control"]
        self.seen.append(control["stats"])

    def say_seen(self):
        if self.seen:
            print("The gateway said: " + ", ".join(
                f"{name} {statistics.median(float(s[name]) for s in self.seen):.0f}" for name in
                ("window", "in_flight", "normalized_latency_us", "threshold_us",
                 "learnt_peak_iops")) + ".")


class Answers:
    """What one client got: see load.c."""

    def __init__(self, client):
        self.done, self.bins = client["done"], client["bins"]
        self.first, self.last = client["first"] / 1e9, client["last"] / 1e9
        self.took = [ns / 1000 for ns in client["took"]]

    def count(self, begin, end):
        """Answers from second `begin` to second `end`."""
        return sum(self.bins[round(begin * 100):round(end * 100)])

    def rate(self, begin, end):
        return self.count(begin, end) / (end - begin)

    def exact_rate(self):
        """From its first answer to its last: no fence post is counted."""
        return (self.done - 1) / (self.last - self.first) if self.done > 1 else 0

    def seconds(self, begin, end):
        return [self.count(s, s + 1) for s in range(begin, end)]

    def part(self, part):
        """How long a `part` of the requests took at most, in us."""
        return self.took[min(999, int(part * 1000))] if self.took else float("nan")

    def mean(self):
        return statistics.fmean(self.took) if self.took else float("nan")


class Lab:
    def __init__(self, build, media=None):
        self.build, self.servers, self.others = build, [], []
        self.folder = tempfile.mkdtemp(prefix="weir-bench.")
        self.media = tempfile.mkdtemp(prefix="weir-bench.", dir=media) if media else None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for server in self.servers[::-1]:  # a gateway before the one that it is a client of
            server.stop()
        if exception[0]:
            for log in sorted(glob.glob(os.path.join(self.folder, "*.log"))):
                sys.stderr.write(f"--- {os.path.basename(log)}\n{open(log).read()[-500:]}")
        shutil.rmtree(self.folder)
        if self.media:
            shutil.rmtree(self.media)

    def start_load(self, seconds, clients):
        return subprocess.Popen(
            [os.path.join(self.build, "tests/bench/bench-load"), str(seconds)] + clients,
            stdout=subprocess.PIPE, text=True)

    def load(self, seconds, clients, during=None):
        """All clients together for so long; `during()` is called meanwhile.  Returns their
        Answers and when they began (CLOCK_MONOTONIC, s)."""
        before = (time.monotonic_ns(), busy_ns(), self.own_ns())
        process = self.start_load(seconds, clients)
        try:
            if during:
                during()
            out = process.communicate(timeout=seconds + 60)[0]
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode:
            sys.exit("the clients met errors")
        after = (time.monotonic_ns(), busy_ns(), self.own_ns())
        took, busy, own = (b - a for a, b in zip(before, after))
        self.others.append(max(0, busy - own) / took)
        result = json.loads(out)
        return [Answers(c) for c in result["clients"]], result["began"] / 1e9

    def weirctl(self, *words):
        out = subprocess.run([os.path.join(self.build, "gateway/weirctl/weirctl"),
                              "--run=" + self.folder, *words], capture_output=True, text=True)
        if out.returncode:
            sys.exit(f"weirctl {' '.join(words)}: {out.stderr}{out.stdout}")
        return out.stdout

    @contextlib.contextmanager
    def mounted(self):
        """Where all gateways are mounted; None where nothing can be."""
        if not os.access("/dev/fuse", os.W_OK) or not shutil.which("fusermount3"):
            yield None
            return
        where = os.path.join(self.folder, "mnt")
        os.mkdir(where)
        weirfs = Server(self, "weirfs", [os.path.join(self.build, "gateway/weirfs/weirfs"), "-f",
                                         "--run=" + self.folder, where])
        try:
            while not os.path.ismount(where):
                if weirfs.process.poll() is not None:
                    sys.exit(f"weirfs did not start: {open(weirfs.log).read()}")
                time.sleep(.05)
            yield where
        finally:
            subprocess.run(["fusermount3", "-u", "-z", where], check=False)
            weirfs.stop()

    def own_ns(self):
        me = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
        alive = [s.cpu_ns() for s in self.servers if s.process.poll() is None]
        return sum(alive) + sum((u.ru_utime + u.ru_stime) * 1e9 for u in me)


# ---- figures ----------------------------------------------------------------------------

def span(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}-{max(values):.{digits}f}]")


def table(heads, rows):
    print("\n| " + " | ".join(heads) + " |")
    print("|" + "|".join(["---"] * len(heads)) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def goal(text, values, limit, least=False, digits=2):
    """Says whether the median of `values` is at most (or at least) `limit`."""
    median = statistics.median(values)
    met = median >= limit if least else median <= limit
    print(f"- {text}: {span(values, digits)}, goal {'>=' if least else '<='} {limit}: "
          f"{'met' if met else 'NOT MET'}", flush=True)
    return met


def percent_off(value, expected):
    return 100 * (value / expected - 1)


def emulated(servers, service, threshold):
    """Keys of a datastore in memory that is a device of so many servers."""
    return (f'type = "memory"; latency_threshold = "{threshold}"; '
            f'emulate = {{ servers = {servers}; service_time = "{service}"; }};')


def device(o):
    """8000 I/Os per second."""
    return emulated(32, "4ms", o.threshold)
