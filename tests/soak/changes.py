"""changes.py - what does an administrator change while guests work?
SPDX-License-Identifier: BSD-3-Clause

None of these may cost a guest a request.
"""
import signal
import subprocess
import time

from model import Broken
from plan import DISK
from world import BUILD, Refused

MIB = 1 << 20
MOST_GROWN = 4 * MIB


def weirctl(world, *words, site=None, code=0):
    done = subprocess.run([BUILD + "/gateway/weirctl/weirctl", f"--run={(site or world.site).folder}/run", "--timeout=60", *words],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if code is not None and done.returncode != code:
        raise Broken(f"weirctl {' '.join(words)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done


def shell(world, text):
    """What a user types, in the folder of the mount; its status and words."""
    done = subprocess.run(["bash", "-c", text], cwd=world.mount, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr.strip()


# ---- policies ----

def edit_policy(world, r):
    """Filters come and go, by the ways in which people edit."""
    plan = world.plan
    what = r.choice(("extra", "inspection", "passing", "extra"))
    before = (list(plan.extra), plan.inspection, plan.passing)
    if what == "extra":
        plan.extra = [] if plan.extra and r.random() < 0.5 else \
            [f'filter = "fault"; label = "mid"; rate = 0.0; count = {r.randint(0, 9)};']
    else:
        setattr(plan, what, not getattr(plan, what))
    text = plan.policy(world)
    way = r.choice(("cat", "mv", "sed", "tee", "cp"))
    with open(world.folder + "/edited", "w") as f:
        f.write(text)
    edited = world.folder + "/edited"
    status, words = shell(world, {
        "cat": f"cat {edited} > policies/p",
        "tee": f"tee policies/p < {edited} > /dev/null",
        "cp": f"cp {edited} policies/p",
        "mv": f"cp {edited} policies/p.new && mv policies/p.new policies/p",
        "sed": f"cat {edited} > policies/p && sed -i 's/# the disk under test/# edited by sed/' policies/p",
    }[way])
    if way == "sed":
        text = text.replace("# the disk under test", "# edited by sed")
    if status:
        plan.extra, plan.inspection, plan.passing = before
        if world.calm_since is not None:
            raise Broken(f"policy edit by {way} was refused: {words}: {world.read_mount('last_error')}")
        world.applied = None  # with a fault it may be refused, whole
        return f"policy by {way}: refused, {words}"
    world.applied = text
    return f"policy by {way}: {what}"


def bad_edit(world, r):
    """Refused, with a sentence, and nothing has changed."""
    before = world.site.ask("get", path="policies/p")["text"]
    chain = [f["label"] for f in world.site.export()["filters"]]
    bad, word = r.choice((('name = "p"; filters = ( { filter = "falt"; } );', "falt"),
                          ('name = "p"; filters = ( { filter = "fault"; rate = 7; } );', "rate"),
                          ('name = "p"; filters = ( { filter = "pass"; ', ""),
                          ('name = "p"; filters = ( { filter = "cache"; pool = "none-such"; } );', "none-such")))
    with open(world.folder + "/bad", "w") as f:
        f.write(bad)
    status, words = shell(world, f"cp {world.folder}/bad policies/p")
    if not status:
        raise Broken(f"this policy was taken: {bad}")
    if world.calm_since is None:
        return "a bad policy is refused"
    why = world.read_mount("last_error")
    if "policies/p" not in why or word not in why:
        raise Broken(f"last_error does not say what is wrong with {bad}: {why!r}")
    after = world.site.ask("get", path="policies/p")["text"]
    if after != before or chain != [f["label"] for f in world.site.export()["filters"]]:
        raise Broken(f"a refused policy has changed something: {before!r} is {after!r}")
    return "a bad policy is refused"


def option(world, r):
    """A live option, by the mount or by weirctl."""
    rows = [("top", "seed", r.randint(1, 99))]
    if world.plan.inspection:
        rows.append(("inspection", "trace", r.choice(("true", "false"))))
    if world.plan.control:
        rows.append(("control", "shares", r.choice((500, 1000, 4000))))
        rows.append(("control", "iops", r.choice(("max", "3k"))))
    if world.plan.cache:
        rows.append(("cache", "destage_delay", f"{r.randint(0, 900)}ms"))
        rows.append(("cache", "dirty_limit", r.choice(("25%", "75%"))))
    label, name, value = r.choice(rows)
    return set_option(world, r, label, name, value)


def set_option(world, r, label, name, value):
    if r.random() < 0.5:
        place = world.site.place(label)
        status, words = shell(world, f"echo '{value}' > exports/vm1/filters/{place}/options/{name}")
    else:
        done = weirctl(world, "export", "option", "vm1", label, name, str(value), code=None)
        status, words = done.returncode, done.stderr
    if status and world.calm_since is not None:
        raise Broken(f"{label}.{name} = {value} was refused: {words}")
    return f"{label}.{name} = {value}{' refused' if status else ''}"


def cache_mode(world, r):
    mode = r.choice(("read", "write-through", "write-back"))
    return set_option(world, r, "cache", "mode", mode)


def cache_verb(world, r):
    verb = r.choice(("flush", "drain", "fill", "invalidate", "detach"))
    try:
        world.site.verb("cache", verb)
        if verb in ("drain", "detach"):
            time.sleep(r.random() * 0.3)
            world.site.verb("cache", "fill")
    except Refused as e:
        return f"cache {verb}: {e}"
    return f"cache {verb}"


def replication_mode(world, r):
    return set_option(world, r, "replication", "mode", r.choice(("async", "sync", "sync-durable")))


def mark(world, r):
    """A restore point: later it must have all that was answered until now."""
    name, started = f"m{len(world.marks)}", time.monotonic()
    with world.model.lock:
        valid = world.history_valid
    try:
        world.site.verb("replication", f"mark {name}")
    except Refused as e:
        return f"mark: {e}"
    if valid:
        world.marks[name] = started
    return f"mark {name}"


# ---- events of a disk ----

def tried(world, **words):
    try:
        world.site.ask("do", export="vm1", **words)
        return True
    except Refused as e:
        if world.calm_since is not None and "cannot be snapshot" not in str(e):
            raise Broken(f"{words} was refused: {e}") from None
        return False


def snapshot(world, r):
    return "snapshot" + ("" if tried(world, verb="snapshot", name=f"s{r.randint(0, 9999)}") else " refused")


def stun(world, r):
    if not tried(world, verb="stun", limit_ms=3000):
        return "stun refused"
    time.sleep(r.random() * 0.2)
    world.site.ask("do", verb="unstun", export="vm1")
    return "stun and unstun"


def reload(world, r):
    done = weirctl(world, "reload", code=None)
    if done.returncode and world.calm_since is not None:
        raise Broken(f"reload: {done.stderr}")
    return "reload"


def grow(world, r):
    """By a MiB, in which nobody has ever written: who has the disk open goes on, who comes sees it."""
    if world.size >= DISK + MOST_GROWN:
        return "no grow: the disk is large already"
    done = weirctl(world, "export", "grow", "vm1", str(world.size + MIB), code=None)
    if done.returncode:
        if world.calm_since is not None and "deep rekey" not in done.stderr:
            raise Broken(f"grow: {done.stderr}")
        return f"grow: {done.stderr}"
    world.size += MIB
    if world.calm_since is not None:
        h = world.connect()
        size = h.get_size()
        new = bytes(h.pread(MIB, world.size - MIB)) if size == world.size else b""
        if size != world.size:
            raise Broken(f"the disk has grown to {world.size} bytes, and who comes now sees {size}")
        if not world.plan.encryption and new != bytes(MIB):  # else it is noise
            raise Broken("where the disk has grown is something else than zeroes")
        h.shutdown()
    return f"grow to {world.size >> 20} MiB"


def rekey(world, r):
    """To the other key, as weirctl does it in three steps."""
    new = 1 - world.plan.key
    done = weirctl(world, "key", "rekey", "vm1", f"file:{world.folder}/key{new}", code=None)
    if done.returncode == 0:
        world.plan.key = new
    elif world.calm_since is not None and "encrypted anew" not in done.stderr and "rekey-deep" not in done.stderr:
        raise Broken(f"rekey: {done.stderr}")
    return f"rekey to key{new}: {done.returncode}"


def rekey_deep(world, r):
    try:
        world.site.verb("encryption", "rekey-deep")
        return "rekey-deep"
    except Refused as e:
        return f"rekey-deep: {e}"


def new_mount(world, r):
    """The mount dies, with SIGKILL or in order, and guests do not notice."""
    with world.mount_lock:
        world.end_mount(r.choice((signal.SIGKILL, signal.SIGTERM)))
        world.start_mount()
    return "weirfs ends and comes back"


def list_exports(world, r):
    world.promises.list_has_no_effect()
    return "nbdinfo --list"


CHANGES = [
    (8, None, edit_policy), (4, None, bad_edit), (5, None, option), (4, "cache", cache_mode), (5, "cache", cache_verb),
    (3, "replication", replication_mode), (3, "replication", mark), (2, None, snapshot), (2, None, stun), (2, None, reload), (1, None, grow),
    (3, "encryption", rekey), (1, "encryption", rekey_deep), (1, None, new_mount), (3, None, list_exports),
]
