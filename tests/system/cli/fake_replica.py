# fake_replica.py - what do both ends of a replicated group answer, in the words that a test gives?
# SPDX-License-Identifier: BSD-3-Clause
"""The ends of replication of fake-gateway.py.  The file of --replica is a JSON object
{"source": {…}, "target": {…}} of what differs from the statuses here; a test moves it on."""
import contextlib
import json
import os

MAP = "00112233445566778899aabbccddeeff"
SOURCE = {"group": "db", "role": "source", "state": "streaming", "mode": "async",
          "target": "nbds://dr.example/", "target_type": "vault", "generation": "00000000000000a1",
          "fence_token": 3, "lsn": 5000, "received_lsn": 4990, "durable_lsn": 4980, "applied_lsn": 5000, "lag_lsn": 20,
          "lag_bytes": 81920, "lag_ms": 40, "rpo_ms": 120, "dirty_granules": 0, "spill_bytes": 0,
          "disks": [{"name": "vm1", "size": 1 << 30}, {"name": "vm2", "size": 2 << 30}],
          "verify_done": 0, "verify_total": 0, "mismatches": 0, "last_error": ""}
TARGET = {"group": "db", "role": "target", "state": "receiving", "generation": "00000000000000a1",
          "fence_token": 3, "received_lsn": 4990, "durable_lsn": 4985, "complete_lsn": 4980,
          "complete_time": "2026-01-01T00:00:10.500000000Z", "applied_lsn": 4980, "points": 3,
          "oldest": "2026-01-01T00:00:00.000000000Z", "needs": 0, "mismatches": 0, "verified": 0,
          "log_bytes": 1 << 20, "free_bytes": 1 << 40,
          "disks": [{"name": "vm1", "size": 1 << 30}, {"name": "vm2", "size": 2 << 30}],
          "last_error": ""}
POINTS = [{"name": "", "time": "2026-01-01T00:00:00.000000000Z", "lsn": 1000, "named": False,
           "quiesced": False},
          {"name": "before-upgrade", "time": "2026-01-01T00:00:05.250000000Z", "lsn": 3000,
           "named": True, "quiesced": True},
          {"name": "", "time": "2026-01-01T00:00:10.500000000Z", "lsn": 4980, "named": False,
           "quiesced": False}]


class End:
    """What both ends are: a status, and the verbs that they were told."""
    def __init__(self, gateway, refused, role, status):
        self.gateway, self.refused, self.role, self.own = gateway, refused, role, dict(status)
        self.verbs = []

    def status(self):
        changed = {}
        with contextlib.suppress(OSError, ValueError), open(self.gateway.args.replica) as file:
            changed = json.load(file).get(self.role, {})
        return {**self.own, **changed}

    def run(self, line):
        verb, _, argument = line.partition(" ")
        if verb != "status":
            self.verbs.append(line)
        if verb == "verbs":
            return {"text": "\n".join(self.verbs[:-1]) + "\n"}
        status = self.status()
        if "dies" in status and verb in ("promote", "demote"):
            os._exit(1)
        if "refuses" in status and verb in ("promote", "demote"):
            raise self.refused("EPERM", f"{verb}: {status['refuses']}")
        if verb == "status":
            if "silent" in status:
                raise self.refused("EIO", status["silent"])
            return {"text": json.dumps(status) + "\n"}
        return {"text": self.answer(verb, argument)}


class Source(End):
    """A filter of class replication."""
    def __init__(self, gateway, refused, name):
        super().__init__(gateway, refused, "source", SOURCE)
        self.epoch = 7

    def document(self, place):
        return {"place": place, "label": place[3:], "name": place[3:], "class": "replication",
                "held": 0, "oldest_hold_ns": 0, "longest_hold_ns": 0, "bypassed": False, "ops": {},
                "options": {"target": SOURCE["target"], "group": "db"}, "histograms": {}, "stats": {}}

    def answer(self, verb, argument):
        if verb == "checkpoint":
            self.epoch += 1
            return f"{MAP}:{self.epoch}\n"
        if verb == "changes":
            if not argument.startswith(MAP):
                raise self.refused("ESTALE", f"{argument} is a checkpoint of another map: all may have changed")
            changed = self.status().get("changes", [[0, 65536], [131072, 196608]])
            return "".join(f"{offset} {length}\n" for offset, length in changed)
        if verb == "verify":
            self.own.update(verify_done=1 << 30, verify_total=1 << 30)
        if verb == "resync":
            self.own["fence_token"] += 1
        return f"{verb} done"


class Vault(End):
    """The store of an export log:GROUP."""
    def __init__(self, gateway, refused, group, disks):
        status = {**TARGET, "group": group}
        if disks:
            status["disks"] = [{"name": disk, "size": 1 << 30} for disk in disks]
        super().__init__(gateway, refused, "target", status)

    def answer(self, verb, argument):
        if verb == "points":
            return json.dumps({"points": POINTS}) + "\n"
        dry = "dry-run" in argument
        if verb == "promote" and not dry:
            self.own.update(role="primary", state="primary", **self.status().get("until_promoted", {}))
        if verb == "demote" and not dry:
            self.own.update(role="target", state="waiting")
        return f"{verb} {'would be ' if dry else ''}done"
