"""faults.py - what can go wrong, and how is it over again?
SPDX-License-Identifier: BSD-3-Clause

Each row of FAULTS is begun, lasts for a while, and is ended by `heal`, which ends all of them.
"""
import errno
import os
import resource
import time

from host import READS, SYNCS, TORN, WRITES, disk_errors
from model import SECTOR, Broken
from world import Refused, wait_for

CHUNK = 1 << 20


# ---- the filter `fault`, above all others and below them ----

def fault_filter(world, r):
    label = r.choice(("top", "low", "low", "low"))
    kind = r.choice(("error", "error", "after", "delay", "hold", "torn"))
    ops = r.choice(("all", "write", "write,zero,trim", "flush", "flush,write", "read"))
    options = {"ops": ops, "rate": r.choice(("1", "0.3", "0.05"))}
    if kind in ("error", "after"):
        options.update(error=r.choice(("EIO", "ENOSPC", "EPERM", "ENOMEM", "ESHUTDOWN")), after=str(kind == "after").lower())
    elif kind == "delay":
        options.update(delay=f"{r.randint(1, 60)}ms", delay_jitter="30ms")
    elif kind == "hold":
        options.update(hold="true", rate="0.1")
    else:
        options.update(torn=r.choice(("512", "4k", "12k")), ops="write", error="EIO")
    world.faulty.add(label)
    for name, value in options.items():
        if name != "rate":
            world.site.option(label, name, value)
    world.site.option(label, "rate", options["rate"])
    return f"fault {label}: {kind} {options}"


def flush_fails(world, r):
    """Often alone, and followed by a loss of power: who hides the error is found out."""
    world.faulty.add("low")
    world.site.option("low", "ops", "flush")
    world.site.option("low", "error", "EIO")
    world.site.option("low", "rate", "1")
    return "fault low: each flush fails"


def quiet_filters(world):
    for label in sorted(world.faulty):
        for name, value in (("rate", "0"), ("error", "none"), ("after", "false"), ("hold", "false"), ("delay", "0"),
                            ("delay_jitter", "0"), ("torn", "0"), ("ops", "all")):
            world.site.option(label, name, value)
        world.site.verb(label, "release")
    world.faulty.clear()


# ---- the host ----

def files_fail(world, r):
    folders = r.choice(("d", "d", "p", "s", "e", "dps"))
    what = r.choice((WRITES, WRITES | TORN, READS, WRITES | READS))
    if what & READS:  # dirty blocks that cannot be read are lost, and that is said
        folders = folders.replace("p", "") or "d"
    if "p" in folders:
        world.hurt.add("pool")
    chance = r.choice((1000, 300, 30))
    error = disk_errors(r)
    world.site.host.files_fail(chance, what, error, folders)
    return f"host: {chance}/1000 of {'reads ' * (what & READS)}{'writes' if what & WRITES else ''} below {folders} fail with {errno.errorcode[error]}"


def vault_fails(world, r):
    error = disk_errors(r)
    world.target.host.files_fail(r.choice((1000, 300, 50)), WRITES | r.choice((0, TORN)), error, "v")
    return f"the vault: writes fail with {errno.errorcode[error]}"


def short_of_memory(world, r):
    site = r.choice([s for s in (world.site, world.target) if s])
    n = r.choice((1000, 20000, 300000))
    site.host.short_of_memory(n)
    return f"{site.name}: {n} ppm of malloc fail"


def few_files(world, r):
    """For a moment only: nbdkit 1.32 keeps descriptors of whom it could not serve, so who came would stay outside."""
    if any(g.h is None for g in world.guests):
        return "no lack of files: a guest is about to connect"
    site = r.choice([s for s in (world.site, world.target) if s])
    pid = site.process.pid
    n = len(os.listdir(f"/proc/{pid}/fd")) + r.randint(0, 3)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, before[1]))
    time.sleep(r.random() * 0.4)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    return f"{site.name}: at most {n} files"


def clock_step(world, r):
    site = r.choice([s for s in (world.site, world.target) if s])
    by = r.choice((-86400, -3600, -5, 5, 3600, 86400 * 40)) * r.random()
    site.host.clock_step(by)
    return f"{site.name}: the clock steps by {by:.0f} s"


# ---- the other site ----

def link_fault(world, r):
    words = r.choice((("cut",), ("freeze",), ("reset",), ("reset-after", str(r.randrange(1, 300000))),
                      ("delay", "both", "40", "40"), ("rate", "up", "300000")))
    world.link(*words)
    return "link: " + " ".join(words)


def target_stops(world, r):
    world.target.freeze()
    return "target: SIGSTOP"


def target_dies(world, r):
    words = kill(world.target, r, power=r.random() < 0.5)
    if r.random() < 0.6:
        world.target.start(wait=False)
        words += ", and starts again"
    return words


def kill(site, r, power):
    site.kill()
    if not power:
        return f"{site.name}: kill -9"
    return f"{site.name}: power is lost, {site.host.power_cut(r)} pieces with it"


# ---- clients ----

def clients_cut(world, r):
    for g in world.guests:
        if r.random() < 0.5:
            g.cut = True
    return "connections of clients are closed with requests under way"


def key_locked(world, r):
    """While clients have the disk open: nothing passes until the key is back."""
    world.site.verb("encryption", "lock")
    world.key_locked = True
    h = world.connect_or_none()
    if h:
        try:
            data = h.pread(4096, 0)
        except Exception:
            return "key lock"
        if world.locked_now():
            raise Broken(f"a disk whose key was taken away has answered a read: {data[:16].hex()}")
    return "key lock"


FAULTS = [  # weight, what must be there, what
    (10, None, fault_filter), (4, None, flush_fails), (7, None, files_fail), (3, None, short_of_memory), (3, None, few_files),
    (3, None, clock_step), (7, "replication", link_fault), (3, "replication", target_stops), (4, "replication", target_dies),
    (3, "replication", vault_fails), (2, None, clients_cut), (4, "encryption", key_locked),
]


def choose(rows, world, r):
    fit = [row for row in rows if not row[1] or getattr(world.plan, row[1])]
    return r.choices(fit, [row[0] for row in fit])[0][2]


# ---- all over ----

def lift(world):
    """No fault begins any more; what they have left is healed by `heal`."""
    for site in filter(None, (world.site, world.target)):
        if site.host.memory:
            world.memory_back = time.monotonic()
        site.host.clear()
        if site.alive():
            site.thaw()
    if world.target:
        world.link("clear")


def died_of_known(site):
    """nbdkit's own abort is a kill like another."""
    if site.alive():
        return False
    if site.process.poll() in (None, -9) or site.known_abort():
        return True
    raise Broken(f"the {site.name} died by itself: {site.ended_how()}")


def heal(world):
    """All faults are over: the disk must be well, too."""
    lift(world)
    if world.target and died_of_known(world.target):
        world.target.start()
    if died_of_known(world.site):
        world.say("nbdkit has aborted, as it may")
        recover(world, None, power=False, dead=True)
        return
    quiet_filters(world)
    serve_again(world)


def serve_again(world):
    if world.key_locked:
        wait_for("the key can be had again", lambda: unlocked(world))
        world.key_locked = False
    wait_for("the disk is served again", lambda: served(world), every=0.1)
    if world.plan.cache:
        wait_for("the cache has got over it", lambda: cached(world), every=0.1)
    if world.target:
        wait_for("replication goes on", lambda: world.site.stat("replication", "state") == "streaming", every=0.1)
    world.calm_since = time.monotonic()


def cached(world):
    """Its store failed, and is tried again each second; its pool failed, and is taken into use again."""
    state = world.last = world.site.stat("cache", "state")
    if state.split(",")[0] not in ("read", "write-through", "write-back"):
        if "pool" not in world.hurt:
            return False
        try:
            world.site.verb("cache", "fill")
        except Refused as e:
            world.last = str(e)
        # what a broken pool has is destaged, and tried again each second
        return world.site.stat("cache", "dirty_bytes") == "0"
    return "destage fails" not in state


def unlocked(world):
    try:
        world.site.verb("encryption", "unlock")
        return True
    except Refused as e:
        world.last = str(e)
        return False


def served(world):
    """What an administrator would try when the reason for a lock is gone."""
    world.check()
    show = world.site.export()
    if show["state"] != "active":
        world.last = show["reason"]
        try:
            world.site.ask("do", verb="unlock", export="vm1")
        except Refused as e:
            world.last = str(e)
        if world.plan.encryption:
            unlocked(world)  # its header could not be read, say
        if "cache" in show["reason"] or "pool" in show["reason"]:
            try:
                world.site.verb("cache", "fill")
            except (Refused, KeyError, TypeError):
                pass
        return False
    h = world.connect_or_none()
    if not h:
        return False
    try:
        for i in range(4):
            h.pread(4096, i << 20)
        h.flush()
        return True
    except Exception as e:
        world.last = str(e)
        if "flush" in world.last:
            reopen(world)
        return False


def reopen(world):
    """A file whose sync has failed is not believed until it is opened anew."""
    try:
        world.site.ask("do", verb="close", export="vm1")
        world.site.ask("do", verb="open", export="vm1")
    except Refused as e:
        world.last = str(e)


def recover(world, r, power, dead=False):
    """The gateway dies, and comes back: is all there that must be?"""
    world.trouble()
    words = ""
    world.still.set()
    if not dead:
        words = kill(world.site, r, power)
    lift(world)
    world.faulty.clear()
    world.pause()
    world.model.lost_all()
    if world.target and died_of_known(world.target):
        world.target.start()
    world.site.start()
    world.faulty.update(("top", "low"))
    quiet_filters(world)
    serve_again(world)
    verify(world, power_lost=power)
    world.promises.after_restart()
    world.go_on()
    return words


def restart(world):
    """SIGTERM and start, as an update of the host does it."""
    world.trouble()
    world.still.set()
    world.pause()
    for g in world.guests:
        g.h = None  # nbdkit ends when its clients have
    world.site.end()
    world.model.lost_all()
    lift(world)
    world.site.start()
    world.faulty.update(("top", "low"))
    quiet_filters(world)
    serve_again(world)
    verify(world)
    world.promises.after_restart()
    world.go_on()
    return "restart by SIGTERM"


def verify(world, power_lost=False):
    """All of the disk against the model, with nobody else on it."""
    h = world.connect()
    for at in range(0, len(world.model.sectors) * SECTOR, CHUNK):
        world.model.settle(at // SECTOR, bytes(h.pread(CHUNK, at)), power_lost)
    h.shutdown()
