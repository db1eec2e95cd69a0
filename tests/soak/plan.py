"""plan.py - how is a disk of one episode made: which filters, in which modes?
SPDX-License-Identifier: BSD-3-Clause

The disk that guests see has 8 MiB.  Beside it three that nobody may ever read: one whose key is missing,
one whose filter is, and one whose `allow` names somebody else.
"""
import os

DISK = 8 << 20
HEADER = 16 << 20  # of an image that weir makes LUKS of
SECRET = b"nobody may read this" * 25


class Plan:
    def __init__(self, random):
        r = self.random = random
        self.cache = r.choice((None, "read", "write-through", "write-back", "write-back"))
        self.order = r.choice(("fast", "ordered"))
        self.encryption = r.random() < 0.4
        self.replication = r.choice((None, None, "async", "sync", "sync-durable"))
        self.plaintext = r.random() < 0.6
        self.inspection = r.random() < 0.5
        self.control = r.random() < 0.4
        self.passing = r.random() < 0.3
        self.sector = r.choice((512, 4096))
        self.direct = r.random() < 0.15
        # a cache in order ignores them, and what replication was told above it does not
        self.trims = not self.encryption and not (self.replication and self.cache and self.order == "ordered")
        self.key = 0
        self.extra = []  # filters that come and go
        self.write_back = self.cache == "write-back"

    def says(self):
        words = []
        if self.encryption:
            words.append(f"encryption({self.sector}{', plaintext filters' if self.plaintext else ''})")
        words += [w for w, on in (("inspection", self.inspection), ("pass", self.passing), ("control", self.control)) if on]
        if self.replication:
            words.append(f"replication({self.replication})")
        if self.cache:
            words.append(f"cache({self.cache}{', ' + self.order if self.write_back else ''})")
        return " + ".join(words or ["nothing"]) + " + fault above and below"

    def sees_plaintext(self):
        """Can the other site's disk be compared with what guests wrote?"""
        return not self.encryption or self.plaintext

    # ---- the files ----

    def policy(self, world):
        f = world.site.folder
        entries = ['filter = "fault"; label = "top"; rate = 0.0; seed = 7;']
        if self.inspection:
            entries.append('filter = "inspection"; ring = 64;')
        if self.passing:
            entries.append('filter = "pass";')
        entries += self.extra
        if self.replication:
            entries.append(f'filter = "replication"; mode = "{self.replication}"; target = "nbd+unix:///vm1?socket={world.folder}/link.sock"; '
                           'reconnect_delay = "100ms"; peer_timeout = "2s"; mark_every = "1s"; frame = "256k"; ring = "8M"; '
                           'without_peer = "suspend";')
        if self.encryption:
            entries.append(f'filter = "encryption"; key = "file:{world.folder}/key{self.key}"; format = true; sector_size = "{self.sector}"; '
                           'pbkdf = "pbkdf2"; pbkdf_time = "1ms";')
        if self.cache:
            entries.append(f'filter = "cache"; pool = "ssd"; mode = "{self.cache}"; order = "{self.order}"; destage_delay = "200ms"; sequential = "none";')
        if self.control:
            entries.append('filter = "control";')
        entries.append('filter = "fault"; label = "low"; rate = 0.0; seed = 9;')
        plain = "true" if self.plaintext else "false"
        return (f'name = "p"; # the disk under test\nplaintext_filters = {plain};\nhold_limit = "4s";\nfilters = (\n    '
                + ",\n    ".join("{ " + e + " }" for e in entries) + "\n);\n")

    def write(self, world):
        f = world.site.folder
        for n in range(2):
            with open(os.open(f"{world.folder}/key{n}", os.O_WRONLY | os.O_CREAT, 0o600), "w") as key:
                key.write(f"the key {n} of an episode")
        size = DISK + (HEADER if self.encryption else 0)
        world.applied = self.policy(world)
        with open(f"{f}/etc/policies.d/p.conf", "w") as out:
            out.write(world.applied)
        for name, entry in (("sealed", f'{{ filter = "encryption"; key = "file:{world.folder}/no-such-key"; }}'),
                            ("lacking", '{ filter = "such-as-there-is-not"; }'), ("bare", "")):
            with open(f"{f}/etc/policies.d/{name}.conf", "w") as out:
                out.write(f'name = "{name}"; filters = ( {entry} );\n')
        for name in ("sealed", "lacking", "denied"):
            with open(f"{f}/disks/{name}", "wb") as out:
                out.write(SECRET)
                out.truncate(1 << 20)
        with open(f"{f}/etc/weir.conf", "w") as out:
            out.write(f"""pools = ( {{ name = "ssd"; path = "{f}/pool/ssd"; size = "64M"; }} );
datastores = ( {{ name = "disks"; type = "file"; path = "{f}/disks"; }} );
exports = ( {{ name = "vm1"; datastore = "disks"; image = "vm1"; size = "{size}"; policy = "p"; }},
            {{ name = "sealed"; datastore = "disks"; image = "sealed"; policy = "sealed"; }},
            {{ name = "lacking"; datastore = "disks"; image = "lacking"; policy = "lacking"; }},
            {{ name = "denied"; datastore = "disks"; image = "denied"; policy = "bare"; allow = [ "uid:54321" ]; }} );
include_policies = "policies.d";
""")
        if world.target:
            f = world.target.folder
            with open(f"{f}/etc/weir.conf", "w") as out:
                out.write(f"""datastores = ( {{ name = "dr"; type = "vault"; path = "{f}/vault"; history = "1h"; }} );
exports = ( {{ name = "log:vm1"; datastore = "dr"; image = "log:vm1"; }}, {{ name = "vm1"; datastore = "dr"; image = "vm1"; }} );
""")
