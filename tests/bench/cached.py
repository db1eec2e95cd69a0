# cached.py - how is a disk with a cache served, asked and written for a bench?
# SPDX-License-Identifier: BSD-3-Clause
import contextlib
import json
import os
import subprocess
import sys

from lab import Server

MIB = 1 << 20
NBDKIT = ["nbdkit", "-f", "-t", "64", "-U", "{sock}"]


class Cached(Server):
    """A gateway with one disk, "d".  `options`: of the filter cache, None: there is no filter.
    `store`: keys of the datastore; `pool`: MiB; `pool_in`: the folder of the pool."""

    def __init__(self, lab, name, store, size, options=None, pool=0, pool_in=None):
        self.folder = os.path.join(lab.folder, name)
        self.pool = os.path.join(pool_in or lab.media, name + ".pool")
        os.makedirs(os.path.join(self.folder, "policies"))
        filters = "" if options is None else f'{{ filter = "cache"; pool = "p"; {options} }}'
        with open(os.path.join(self.folder, "policies", "p.conf"), "w") as text:
            text.write(f'name = "p"; filters = ( {filters} );\n')
        with open(os.path.join(self.folder, "weir.conf"), "w") as text:
            if pool:
                text.write(f'pools = ( {{ name = "p"; path = "{self.pool}"; size = "{pool}M"; }} );\n')
            text.write(f'datastores = ( {{ name = "s"; {store} }} );\n'
                       f'exports = ( {{ name = "d"; datastore = "s"; {size} policy = "p"; }} );\n'
                       'include_policies = "policies";\n')
        self.export = "d"
        self.lab, self.name = lab, name
        self.start()

    def start(self):
        """Again after stop() or kill(): the same disk."""
        with contextlib.suppress(FileNotFoundError):  # of one that was killed
            os.unlink(os.path.join(self.lab.folder, self.name + ".sock"))
        super().__init__(self.lab, self.name, NBDKIT + [
            os.path.join(self.lab.build, "plugins/nbdkit-weir-plugin.so"),
            "conf=" + os.path.join(self.folder, "weir.conf"), "run=" + self.lab.folder,
            "state=" + self.folder, "name=" + self.name,
            "filters=" + os.path.join(self.lab.build, "filters")])
        self.wait("d")

    def stats(self):
        shown = json.loads(self.lab.weirctl("--json", "--gateway=" + self.name, "export", "show",
                                            "d"))
        (cache,) = [f for f in shown["filters"] if f.get("name", f.get("label")) == "cache"]
        return cache["stats"]

    def count(self, *names):
        """What `names` of the statistics are now."""
        stats = self.stats()
        return [int(stats[name]) for name in names]

    def drain(self):
        self.lab.weirctl("--gateway=" + self.name, "cache", "flush", "d")


class Rival(Server):
    """nbdkit with its cache filter; `more`: its other filters, plugin and their words."""

    def __init__(self, lab, name, *more, media=None):
        # its blocks lie in an unlinked file of this folder
        super().__init__(lab, name, ["env", "TMPDIR=" + (media or lab.media)] + NBDKIT +
                         ["--filter=cache", *more])
        self.export = ""
        self.wait()


def image(path, mebibytes):
    """Random bytes, all allocated: a read must copy something."""
    some = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(some)
        file.flush()
        os.fsync(file.fileno())


def uri(server):
    return f"nbd+unix:///{server.export}?socket={server.sock}"


def fio(server, **words):
    """(I/Os per second, us of the median) of a run; words with _ for -."""
    out = os.path.join(server.lab.folder, "fio.json")
    command = ["fio", "--name=w", "--ioengine=nbd", "--uri=" + uri(server), "--bs=4k",
               "--norandommap", "--randrepeat=0", "--output-format=json", "--output=" + out]
    command += [f"--{key}={value}" for key, value in words.items()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=server.lab.folder)
    with open(out) as text:
        text = text.read()
    if done.returncode:
        sys.exit(f"fio met errors with {server.name}: {done.stderr}{text[:500]}")
    job = json.loads(text[text.index("{"):])["jobs"][0]
    side = job["read" if "read" in words["rw"] else "write"]
    return side["iops"], side["clat_ns"]["percentile"]["50.000000"] / 1000


def read_all(server, mebibytes):
    """Each block once, in large pieces."""
    fio(server, rw="read", bs="1m", iodepth=4, size=f"{mebibytes}m")


def write_all(server, mebibytes):
    fio(server, rw="write", bs="1m", iodepth=4, size=f"{mebibytes}m")
