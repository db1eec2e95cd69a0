#!/usr/bin/env python3
# fake-gateway.py - what does weirctl do with answers that a real gateway gives rarely?
# SPDX-License-Identifier: BSD-3-Clause
#
#     fake-gateway.py RUN NAME [--exports=vm1,vm2] [--silent|--hang-up|--garbage] [--slow=FILE]
#                              [--control=vm1,vm2 [--control-lacks=STATISTIC,…]]
#                              [--encrypted=vm1,vm2 [--deep=FILE]]
#                              [--cached=vm1,vm2 [--cache=FILE]]
#                              [--replicated=vm1,vm2] [--vault=GROUP:DISK,DISK …] [--replica=FILE]
#
# Speaks gateway/control/control.h.  Its disks do I/O that follows a sine, so that a screen
# has something to show.  A policy text with the word "wrong" in it is refused where it is.
import argparse
import contextlib
import json
import math
import os
import socketserver
import sys
import threading
import time

import fake_replica

OPS = ["read", "write", "flush", "trim", "zero"]


def bucket(value):
    """weir_bucket() of weir-filter.h"""
    if value < 32:
        return value
    top = value.bit_length() - 1
    return min((top - 3) * 16 + (value >> (top - 4)) - 16, 591)


class Histogram:
    def __init__(self):
        self.sum = self.max = self.count = 0
        self.buckets = {}

    def record(self, value, count):
        self.sum += value * count
        self.count += count
        self.max = max(self.max, value)
        index = bucket(value)
        self.buckets[index] = self.buckets.get(index, 0) + count

    def document(self):
        return {"count": self.count, "sum": self.sum, "max": self.max,
                "buckets": [[i, self.buckets[i]] for i in sorted(self.buckets)]}


class Place:
    def __init__(self):
        self.ops = {}

    def count(self, op, requests, size, latency, failed=0):
        figures = self.ops.setdefault(op, {"requests": 0, "bytes": 0, "failed": 0,
                                           "here": Histogram(), "below": Histogram()})
        figures["requests"] += requests
        figures["bytes"] += requests * size
        figures["failed"] += failed
        for share, factor in ((0.5, 0.8), (0.4, 1.3), (0.09, 3), (0.01, 12)):
            figures["here"].record(int(latency * factor), round(requests * share))
            figures["below"].record(int(latency * factor * 0.7), round(requests * share))

    def document(self):
        return {op: {**f, "passed": f["requests"], "completed": 0, "deferred": 0, "derived": 0,
                     "derived_bytes": 0, "here": f["here"].document(),
                     "below": f["below"].document()} for op, f in self.ops.items()}


class Control:
    """A filter of class control, last in a chain, whose figures never change: what is made
    of them can be compared word by word."""
    def __init__(self, index, args):
        lacks, self.bypassed = args.control_lacks.split(","), args.control_bypassed
        self.options = {"mode": "control", "shares": ("high", "normal", "low")[index % 3],
                        "reservation": ("500", "none")[index % 2], "iops": ("max", "2000")[index % 2],
                        "bytes_per_sec": ("max", "50M")[index % 2], "max_delay": "20s"}
        self.stats = {"normalized_latency_us": "6200", "threshold_us": "5000", "window": "12",
                      "in_flight": "11", "learnt_peak_iops": args.control_peak, "external_load": "25",
                      "gateways": "2", "queued": str(7 - index), "share_percent": str(57 >> index),
                      "entitled_iops": str(1140 >> index), "granted_iops": str(1132 >> index),
                      "delayed_requests": str(40000 + index), "limit_hits": str(index * 300),
                      "impatient_requests": "0", "reservation_misses": "0",
                      "delay_us": "count=99 p50=4095 p90=4095 p99=16383 p99.9=16383 max=16000"}
        self.stats = {name: value for name, value in self.stats.items() if name not in lacks}
        self.delays = Histogram()
        if args.control_past:
            self.delays.record(500000, 10**9)
        self.worst = 16000 << index
        self.delays.record(4000, 95)
        self.delays.record(self.worst, 5)
        self.histograms = {} if "delay_us" in lacks else {"delay_us": self.delays}

    def document(self, place):
        for delays in self.histograms.values():  # the same again between any two readings
            delays.record(4000, 95)
            delays.record(self.worst, 5)
        return {"place": place, "label": place[3:], "name": place[3:], "class": "control",
                "held": 3, "oldest_hold_ns": 0, "longest_hold_ns": 1200000, "bypassed": self.bypassed,
                "ops": {}, "options": dict(self.options), "stats": dict(self.stats),
                "histograms": {n: h.document() for n, h in self.histograms.items()}}


class Encryption:
    """A filter of class encryption, first in a chain, that does what its verbs say in words."""
    def __init__(self, gateway):
        self.gateway, self.state, self.verbs, self.why = gateway, "unlocked", [], ""
        self.options = {"key": "file:/etc/weir/old.key"}
        self.cipher = "aes-xts-plain64, key of 512 bits"

    def percent(self):
        """What the file says that --deep names: a test moves it on; without it all is done.
        Words after the number say why it pauses."""
        with contextlib.suppress(OSError, ValueError), open(self.gateway.args.deep) as file:
            percent, _, self.why = file.read().strip().partition(" ")
            return int(percent)
        self.state = "unlocked" if self.state == "rekeying" else self.state
        return 100

    def document(self, place):
        return {"place": place, "label": place[3:], "name": place[3:], "class": "encryption",
                "held": 0, "oldest_hold_ns": 0, "longest_hold_ns": 0, "bypassed": False, "ops": {},
                "options": dict(self.options), "histograms": {},
                "stats": {"sector_size": "4096", "rekey_progress_percent": str(self.percent())}}

    def statistic(self, name):
        percent = self.percent()
        return {"state": self.state, "cipher": self.cipher, "key_provider": "file",
                "rekey_progress_percent": str(percent)}[name]

    def run(self, line):
        verb, _, argument = line.partition(" ")
        self.verbs.append(line)
        if verb == "verbs":
            return {"text": "\n".join(self.verbs[:-1]) + "\n"}
        if verb == "status":
            return {"text": f"state: {self.state}\nkey: {self.options['key']}\nheader: LUKS2, 1234\n"
                            "slot 0: argon2id, opened the disk\nslot 2: pbkdf2\n" +
                            (f"rekey-deep: 1 of 2 bytes; it pauses: {self.why}\n" if self.why else "")}
        if verb == "rekey-deep":
            self.state = "rekeying"
            return {"text": "the disk gets a new volume key"}
        if verb in ("lock", "unlock"):
            self.state = verb + "ed"
        if argument == "file:/missing":
            raise Refused("ENOENT", f"{verb}: there is no file /missing")
        return {"text": f"{verb} done"}


class Cache:
    """A filter of class cache that writes back as the file of --cache says; a test moves it on."""
    CURVE = [(4096 << i, 0.9 if i < 8 else max(0.9 - 0.1 * (i - 7), 0.2)) for i in range(18)]
    RESTS = {"flush": "write-back", "drain": "write-through", "detach": "detached",
             "fill": "write-back"}

    def __init__(self, gateway):
        self.gateway, self.verbs, self.resting, self.told = gateway, [], "write-back", False
        self.options = {"mode": "write-back", "pool": "ssd"}
        self.now = {"dirty_bytes": 8 << 20, "clean_bytes": 56 << 20, "destaged_bytes": 5 << 20,
                    "destage_backlog": 2500}
        self.same = {"hits": 900, "misses": 80, "partial_hits": 20, "bypassed": 7, "occupancy_percent": 64}

    def look(self):
        """The file: DIRTY WRITTEN AGE STATE, in MiB and ms.  Without it what was begun has ended."""
        with contextlib.suppress(OSError, ValueError), open(self.gateway.args.cache) as file:
            dirty, written, age, state = file.read().strip().split(" ", 3)
            self.now.update(dirty_bytes=int(dirty) << 20, destaged_bytes=int(written) << 20,
                            destage_backlog=int(age))
            return state
        self.now["dirty_bytes"] *= not self.told
        return self.resting

    def document(self, place):
        self.look()
        return {"place": place, "label": place[3:], "name": place[3:], "class": "cache",
                "held": 0, "oldest_hold_ns": 0, "longest_hold_ns": 0, "bypassed": False, "ops": {},
                "options": dict(self.options), "histograms": {},
                "stats": {name: str(value) for name, value in {**self.now, **self.same}.items()}}

    def statistic(self, name):
        state = self.look()
        curve = [] if self.gateway.args.cache_new else self.CURVE
        texts = {"state": state, "mode": "write-back", "pool": "ssd",
                 "mrc": "".join(f"{size} {misses:.4f}\n" for size, misses in curve)}
        return texts[name].rstrip("\n") if name in texts else str({**self.now, **self.same}[name])

    def run(self, line):
        verb, _, argument = line.partition(" ")
        self.verbs.append(line)
        if verb == "verbs":
            return {"text": "\n".join(self.verbs[:-1]) + "\n"}
        if verb == "discard" and argument != "yes":
            raise Refused("EINVAL", "discard: 8388608 bytes would be lost; discard yes does it")
        if verb in self.RESTS:
            self.resting, self.told = self.RESTS[verb], verb != "fill"
        return {"text": f"{verb} done"}


class Disk:
    def __init__(self, gateway, name, index):
        self.gateway, self.name, self.index = gateway, name, index
        self.state, self.reason, self.policy, self.size = "active", "", "gold", gateway.args.size or (index + 1) << 30
        self.generation = 1
        self.options = {"delay": "0s", "mode": "async"}
        self.control = Control(index, gateway.args) \
            if name in gateway.args.control.split(",") else None
        self.encryption = Encryption(gateway) if name in gateway.args.encrypted.split(",") else None
        self.cache = Cache(gateway) if name in gateway.args.cached.split(",") else None
        self.replication = fake_replica.Source(gateway, Refused, name) \
            if name in gateway.args.replicated.split(",") else None
        self.vault, self.datastore, self.image = None, "local", name + ".raw"
        self.connections = 0 if name in gateway.args.idle_disks.split(",") else 1
        for group, _, disks in (vault.partition(":") for vault in gateway.args.vault):
            if name == "log:" + group:
                self.vault = fake_replica.Vault(gateway, Refused, group, disks.split(","))
            if self.vault or name in disks.split(","):
                self.datastore, self.image = "dr", name if self.vault else f"{group}/{name}"
        self.places = {key: Place() for key in ("ops", "store", "10-fault", "20-pass")}
        self.last = time.monotonic()
        self.tick(1.0)

    def tick(self, seconds=None):
        now = time.monotonic()
        if seconds is None:
            seconds, self.last = now - self.last, now
        if self.state != "active" or self.gateway.idle:
            return
        wave = 1 + math.sin(now / (3 + self.index) + self.index)
        for key, factor in (("ops", 1.0), ("10-fault", 0.02), ("20-pass", 0.001), ("store", 0.9)):
            place, load = self.places[key], seconds * 1000 * (self.index + 1) * wave
            place.count("read", round(load * 0.6), 4096, int(90e3 * (1 + wave) * factor))
            place.count("write", round(load * 0.3), 16384, int(250e3 * (1 + wave) * factor))
            place.count("flush", round(load * 0.01), 0, int(2e6 * factor))

    def document(self):
        self.tick()
        chain = [{"place": place, "label": place[3:], "name": place[3:], "class": "none",
                  "held": 0, "oldest_hold_ns": 0, "longest_hold_ns": 1200000, "bypassed": False,
                  "ops": self.places[place].document(),
                  "options": dict(self.options) if place == "10-fault" else {},
                  "stats": {"delayed": "17"} if place == "10-fault" else {}}
                 for place in ("10-fault", "20-pass")]
        if self.encryption:
            chain.insert(0, self.encryption.document("00-encryption"))
        if self.replication:
            chain.insert(0, self.replication.document("05-replication"))
        if self.control:
            chain.append(self.control.document("30-control"))
        if self.cache:
            chain.insert(-1 if self.control else len(chain), self.cache.document("25-cache"))
        bad = self.state == "locked"
        return {"name": self.name, "description": f"disk number {self.index}", "state": self.state,
                "reason": self.reason, "compliance": "non-compliant" if bad else "compliant",
                "compliance_reason": "filter fault is not attached" if bad else "",
                "policy": self.policy, "datastore": self.datastore, "image": self.image,
                "uri": self.gateway.uri.replace("NAME", self.name), "size_bytes": self.size,
                "read_only": False, "connections": self.connections, "in_flight": self.index, "waiting": 0,
                "generation": self.generation, "last_pause_ns": 0, "longest_pause_ns": 3100000,
                "ops": self.places["ops"].document(), "store": self.places["store"].document(),
                "store_stats": {"recv_bytes": "4096"} if self.vault else {}, "filters": chain}


class Refused(Exception):
    def __init__(self, errno, message, **where):
        super().__init__(message)
        self.document = {"ok": False, "errno": errno, "message": message, **where}
        if where and "mistakes" not in where:
            self.document["mistakes"] = [{**where, "word": "", "sentence": message}]


class Gateway:
    def __init__(self, args):
        self.args, self.idle = args, args.idle
        self.lock = threading.Lock()  # everything: one request at a time
        self.begun = time.monotonic()
        self.uri = "none" if args.no_uri else args.uri
        names = args.exports.split(",") + ["log:" + v.partition(":")[0] for v in args.vault]
        self.disks = {name: Disk(self, name, i) for i, name in enumerate(names) if name}
        self.policies = {"gold": 'name = "gold";\ndescription = "production databases";\n'
                                 'filters = ( { filter = "fault"; }, { filter = "pass"; } );\n',
                         "plain": 'name = "plain";\nfilters = ();\n'}
        self.threshold = "auto"  # of the datastore "local"
        self.events = [f'time=2026-01-01T00:00:0{i}Z severity=info text="event {i}"'
                       for i in range(1, 4)]

    def disk(self, name):
        if name not in self.disks:
            raise Refused("ENOENT", f'there is no export "{name}"')
        return self.disks[name]

    def op_show(self, request):
        names = [request["export"]] if "export" in request else list(self.disks)
        about = {"name": self.args.name, "pid": os.getpid(), "version": "0.1.0",
                 "uptime_s": int(time.monotonic() - self.begun) + 1}
        users = lambda policy: [d.name for d in self.disks.values() if d.policy == policy]
        return {"gateway": about, "exports": [self.disk(n).document() for n in names],
                "filters": [{"name": "fault", "class": "none", "version": "1", "abi": 1,
                             "path": "/x/weir-filter-fault.so", "description": "Fails.",
                             "exports": list(self.disks)}],
                "policies": [{"name": n, "description": "", "file": f"/etc/weir/{n}.conf",
                              "exports": users(n)} for n in self.policies],
                "datastores": [{"name": "local", "type": "file", "path": "/disks",
                                "latency_threshold": self.threshold, "exchange": "default",
                                "emulate": "4 servers, 4ms each, fixed",
                                "live": ["latency_threshold"], "size_bytes": 3 << 40,
                                "free_bytes": 1 << 40, "latency_ns": 4200000, "in_flight": 7,
                                "exports": list(self.disks)}]}

    def option(self, path):
        parts = path.split("/")
        if len(parts) != 6 or parts[0] != "exports" or parts[4] != "options":
            raise Refused("ENOENT", f'there is no "{path}"')
        disk = self.disk(parts[1])
        return {"30-control": disk.control, "00-encryption": disk.encryption, "25-cache": disk.cache}.get(
            parts[3], disk).options, parts[5]

    def op_get(self, request):
        path = request["path"]
        if path == "metrics":
            return {"text": "# TYPE weir_up gauge\nweir_up 1\n"}
        if path.startswith("policies/"):
            return {"text": self.policies[path[9:]]}
        parts = path.split("/")
        if parts[3:5] == ["00-encryption", "stats"]:
            return {"text": self.disk(parts[1]).encryption.statistic(parts[5]) + "\n"}
        if parts[3:5] == ["25-cache", "stats"]:
            return {"text": self.disk(parts[1]).cache.statistic(parts[5]) + "\n"}
        options, name = self.option(path)
        return {"text": options[name] + "\n"}

    def op_check(self, request):
        path, text = request["path"], request["text"]
        if path.startswith("policies/"):
            sentence = "there is no filter 'wrong', did you mean 'fault'?"
            wrong = [{"file": path, "line": number, "column": line.index("wrong") + 1,
                      "word": "wrong", "sentence": sentence}
                     for number, line in enumerate(text.split("\n"), 1) if "wrong" in line]
            if wrong:
                raise Refused("EINVAL", sentence, mistakes=wrong)
            return {}
        if path != "datastores/local/latency_threshold":
            self.option(path)
        if text == "bad":
            raise Refused("EINVAL", '"bad" is no time; "5ms" would be one')
        if text == "1000d":
            raise Refused("ERANGE", '"1000d" is more than 1h')
        return {}

    def op_set(self, request):
        path = request["path"]
        if path.endswith("/00-encryption/ctl"):
            return self.disk(path.split("/")[1]).encryption.run(request["text"])
        if path.endswith("/05-replication/ctl"):
            return self.disk(path.split("/")[1]).replication.run(request["text"])
        if path.endswith("/store/ctl") and self.disk(path.split("/")[1]).vault:
            return self.disk(path.split("/")[1]).vault.run(request["text"])
        if path.endswith("/25-cache/ctl"):
            return self.disk(path.split("/")[1]).cache.run(request["text"])
        self.op_check(request)
        if path.startswith("policies/"):
            self.policies[path[9:]] = request["text"]
        elif path.startswith("datastores/"):
            self.threshold = request["text"]
        else:
            options, name = self.option(path)
            options[name] = request["text"]
        return {}

    def op_remove(self, request):
        name = request["path"][9:]
        users = [d.name for d in self.disks.values() if d.policy == name]
        if users:
            raise Refused("EBUSY", f'exports name the policy "{name}": {", ".join(users)}')
        del self.policies[name]
        return {}

    def op_events(self, request):
        after = request.get("after", 0)
        return {"last": len(self.events), "lines": self.events[after:]}

    def op_do(self, request):
        verb = request["verb"]
        if verb == "reload":
            if self.args.bad_reload:
                raise Refused("EINVAL", "sizes are quoted", file="/etc/weir/weir.conf", line=7,
                              column=12)
            return {"text": "configuration read again\n"}
        disk = self.disk(request["export"])
        disk.generation += 1
        if verb == "lock":
            disk.state, disk.reason = "locked", request["reason"]
        elif verb in ("unlock", "open"):
            disk.state, disk.reason = "active", ""
        elif verb == "close":
            disk.state = "closed"
        elif verb == "grow":
            disk.size = request["size"]
        elif verb == "assign":
            if request["policy"] not in self.policies:
                raise Refused("ENOENT", f'there is no policy "{request["policy"]}"')
            disk.policy = request["policy"]
        elif verb == "snapshot":
            raise Refused("EOPNOTSUPP", "a file store takes no snapshots")
        return {"text": f"{disk.name}: {verb} done\n"}

    def answer(self, line):
        try:
            request = json.loads(line)
            while request["op"] == "do" and self.args.slow and os.path.exists(self.args.slow):
                time.sleep(0.05)
            with self.lock:
                return {"ok": True, **getattr(self, "op_" + request["op"])(request)}
        except Refused as refused:
            return refused.document
        except (KeyError, AttributeError) as error:
            return {"ok": False, "errno": "ENOENT", "message": f"no such thing: {error}"}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        args = self.server.gateway.args
        for line in self.rfile:
            if args.hang_up:
                return
            if args.garbage:
                self.wfile.write(b"this is no JSON\n")
                continue
            if args.silent or (args.silent_file and os.path.exists(args.silent_file)):
                time.sleep(3600)
            answer = json.dumps(self.server.gateway.answer(line), ensure_ascii=False)
            try:
                self.wfile.write(answer.encode() + b"\n")
            except BrokenPipeError:
                return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--exports", default="vm1,vm2,vm3")
    parser.add_argument("--control", default="", help="these have a filter of class control")
    parser.add_argument("--control-lacks", default="", help="statistics that it does not have")
    parser.add_argument("--control-peak", default="12300", help="what it has learnt")
    parser.add_argument("--encrypted", default="", help="these have a filter of class encryption")
    parser.add_argument("--deep", default="", help="a file that says how far a deep rekey is")
    parser.add_argument("--cached", default="", help="these have a filter of class cache")
    parser.add_argument("--cache", default="", help="a file that says what is written back")
    parser.add_argument("--replicated", default="", help="these have a filter of class replication")
    parser.add_argument("--vault", action="append", default=[], help="this group arrives here")
    parser.add_argument("--idle-disks", default="", help="these have no client")
    parser.add_argument("--uri", default="nbd+unix:///NAME?socket=/tmp/nbd.sock")
    parser.add_argument("--size", type=int, help="bytes of each disk")
    parser.add_argument("--replica", default="", help="a file that says what statuses have")
    parser.add_argument("--cache-new", action="store_true", help="no cache has seen requests yet")
    parser.add_argument("--slow", help="nothing is done as long as this exists")
    parser.add_argument("--silent-file", help="silent as soon as this exists")
    for flag in ("silent", "hang-up", "garbage", "idle", "no-uri", "bad-reload", "control-bypassed", "control-past"):
        parser.add_argument("--" + flag, action="store_true")
    args = parser.parse_args()
    os.makedirs(os.path.join(args.run, "ctl"), exist_ok=True)
    path = os.path.join(args.run, "ctl", args.name + ".sock")
    if os.path.exists(path):
        os.unlink(path)
    with Server(path, Handler) as server:
        server.gateway = Gateway(args)
        server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
