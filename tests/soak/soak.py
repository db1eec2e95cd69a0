#!/usr/bin/python3
"""soak.py - does every promise hold, whatever goes wrong, whatever is changed, for as long as you like?
SPDX-License-Identifier: BSD-3-Clause

soak.py [--minutes=N | --seconds=N | --episodes=N] [--seed=S] [--episode=K] [--keep]

Runs episodes until the time is over: each has its own disk, filters, faults and changes, all chosen by the seed
and the episode's number.  A broken promise ends it, with status 1; what it cannot judge, a mistake of its own among
them, with status 3: the folder stays, and the last lines say how to repeat the episode.  WEIR_BUILD says where weir was built, WEIR_SOURCE where its source is.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
os.environ.setdefault("WEIR_SOURCE", os.path.dirname(os.path.dirname(HERE)))
os.environ.setdefault("WEIR_BUILD", os.environ["WEIR_SOURCE"] + "/build")
sys.path.insert(0, HERE)

import nbd

import changes
import faults
from guests import Guest
from model import SECTOR, Broken, Model, Unsure
from plan import DISK, Plan
from promises import Promises
from world import Refused, World

GUESTS = 6


class Episode:
    def __init__(self, seed, number, folder, seconds):
        self.random = random.Random(f"{seed} {number}")
        self.seconds = seconds
        self.events = []
        self.begun = time.monotonic()
        self.plan = Plan(self.random)
        for word in os.environ.get("WEIR_SOAK_PLAN", "").split():  # to look for what matters
            name, value = word.split("=")
            setattr(self.plan, name, {"yes": True, "no": False, "none": None}.get(value, value))
        self.world = World(folder, self.plan, self.say)
        self.seed = self.random.randrange(1 << 30)

    def say(self, words):
        self.events.append(f"{time.monotonic() - self.begun:7.2f} s  {words}")

    # ---- beginning ----

    def prepare(self):
        w = self.world
        w.faulty, w.marks = set(), {}
        w.key_locked = False
        w.memory_back = 0.0
        w.mount_lock, w.last, w.history_valid = threading.Lock(), "", False
        w.promises = Promises(w)

        def connect_or_none():
            try:
                return w.connect()
            except nbd.Error:
                return None
        w.connect_or_none = connect_or_none
        w.locked_now = lambda: w.site.stat("encryption", "state") == "locked"
        w.read_mount = lambda name: open(f"{w.mount}/{name}").read()
        w.model = Model(DISK // SECTOR)
        w.hot = self.random.randrange(DISK // SECTOR - 512)
        w.begin()
        h = w.connect()
        for at in range(0, DISK, 1 << 20):  # what was never written may be noise
            change = w.model.begin("zero", at // SECTOR, (1 << 20) // SECTOR)
            h.zero(1 << 20, at)
            w.model.end(change, True)
        started = time.monotonic()
        h.flush()
        w.model.flush_done(started)
        h.shutdown()
        faults.serve_again(w)
        self.remember()
        self.before = w.promises.size()
        self.watcher = threading.Thread(target=w.promises.watch, daemon=True)
        self.watcher.start()
        w.guests = [Guest(w, i, self.seed + i) for i in range(GUESTS)]
        for g in w.guests:
            g.start()

    def remember(self):
        """The target has what is here: from now on prefixes can be told.  What is here is read, for of a write
        that failed nobody knows whether it is."""
        w = self.world
        faults.verify(w)
        if w.target:
            w.promises.in_step()
        w.marks.clear()
        w.model.remember()
        w.history_valid = True

    # ---- what happens ----

    def crash(self, power):
        w = self.world
        w.history_valid = False
        self.say(faults.recover(w, self.random, power))
        if w.target:
            w.pause()
            self.remember()
            w.go_on()

    def trouble(self):
        """One to three faults, changes meanwhile, and perhaps the end of the gateway in the middle of them."""
        w, r = self.world, self.random
        w.trouble()
        w.history_valid = False  # what failed may be here and not there until it is copied
        for _ in range(r.choice((1, 1, 2, 3))):
            self.attempt(faults.choose(faults.FAULTS, w, r))
            time.sleep(r.random() * 0.3)
            if r.random() < 0.4:
                self.attempt(faults.choose(changes.CHANGES, w, r))
        time.sleep(r.random() * r.choice((0.3, 1.5)))
        w.check()
        end = r.random()
        if end < 0.45:
            self.crash(power=r.random() < 0.7)
        else:
            self.say("the faults end")
            faults.heal(w)
            if w.target:
                w.pause()
                self.remember()
                w.go_on()

    def attempt(self, what):
        """While something is wrong a command may fail, but not hang."""
        w = self.world
        try:
            self.say(what(w, self.random))
        except (Refused, OSError, nbd.Error, TypeError) as e:
            if w.calm_since is not None:
                raise (Unsure if isinstance(e, TypeError) else Broken)(f"{what.__name__}: {e!r}") from None
            self.say(f"{what.__name__}: {e}")

    def event(self):
        w, r = self.world, self.random
        kind = r.random()
        if kind < 0.40:
            self.attempt(faults.choose(changes.CHANGES, w, r))
        elif kind < 0.70:
            self.trouble()
        elif kind < 0.85:
            self.crash(power=r.random() < 0.6)
        elif kind < 0.90:
            w.history_valid = False
            self.say(faults.restart(w))
            if w.target:
                w.pause()
                self.remember()
                w.go_on()
        else:
            w.promises.nobody_gets_in()
            time.sleep(r.random())

    # ---- the end ----

    def conclude(self):
        w, r = self.world, self.random
        self.say("the end begins")
        w.pause()
        faults.verify(w)
        w.promises.nobody_gets_in()
        if w.target:
            w.promises.same_bytes()
        w.promises.no_plaintext()
        if w.target and r.random() < 0.6:
            w.go_on()
            time.sleep(0.5 + r.random())
            if r.random() < 0.5:  # what was answered and has not arrived
                w.trouble()
                w.link(*r.choice((("delay", "both", "100", "30"), ("freeze",))))
                time.sleep(0.4)
            self.say(w.promises.failover())
        else:
            for g in w.guests:
                g.h = None
            w.promises.no_leak(self.before)
        w.over = True
        self.watcher.join(120)
        if self.watcher.is_alive():
            raise Broken("the mount hangs")
        w.trouble()
        faults.lift(w)
        for g in w.guests:
            g.h = None  # nbdkit ends when its clients have
        for site in (w.site, w.target):
            if site and site.alive():
                site.end()
        w.check()
        w.promises.no_complaints()
        w.promises.no_plaintext()

    def run(self):
        """The promise that is broken, or None; `world.doubt` says what could not be judged."""
        w = self.world
        try:
            self.prepare()
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                time.sleep(self.random.random() * 0.4)
                w.check()
                self.event()
            self.conclude()
        except Broken as e:
            return w.failure or str(e)
        except Unsure as e:
            w.unsure(str(e))
        except (Refused, OSError, nbd.Error, KeyError, TypeError, ValueError, AttributeError,
                IndexError, subprocess.SubprocessError) as e:
            import traceback
            refused = isinstance(e, (Refused, nbd.Error, subprocess.TimeoutExpired))
            for site in filter(None, (w.site, w.target)):
                if site.process and not site.alive() and not site.known_abort() and site.process.poll() != -9:
                    return f"the {site.name} died by itself: {site.ended_how()}"
            if refused and w.calm_since is not None:
                return w.failure or f"with no fault anywhere: {traceback.format_exc()}"
            w.unsure(f"in the middle of nothing: {traceback.format_exc()}")
        finally:
            w.clean_up()
        return w.failure


def report(episode, number, seed, verdict, why):
    print(f"\n{verdict} in episode {number} of seed {seed}: {why}")
    print(f"  disk: {episode.plan.says()}")
    for line in episode.events[-25:]:
        print("  " + line)
    if episode.world.last:
        print(f"  the last thing that was said: {episode.world.last}")
    print(f"  kept: {episode.world.folder}")
    print(f"  again: WEIR_BUILD={os.environ['WEIR_BUILD']} {os.path.relpath(os.path.realpath(__file__))} --seed={seed} --episode={number}", flush=True)


def options():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--minutes", type=float)
    p.add_argument("--seconds", type=float)
    p.add_argument("--episodes", type=int, default=1 << 30)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    p.add_argument("--episode", type=int)
    p.add_argument("--length", type=float, default=10, help="of an episode's load, in seconds")
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    if args.episode is not None:
        args.episodes = 1
    elif args.seconds is None and args.minutes is None and args.episodes == 1 << 30:
        args.minutes = 5
    return args


def main():
    args = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit = time.monotonic() + (args.seconds if args.seconds is not None else (args.minutes or 1e9) * 60)
    began, number, done = time.monotonic(), args.episode or 0, 0
    top = tempfile.mkdtemp(prefix="weir-soak.", dir=os.environ.get("TMPDIR", "/tmp"))
    terminal = sys.stdout.isatty()
    print(f"seed {args.seed}", flush=True)
    requests = failed = 0
    stays = args.keep
    try:
        while done < args.episodes and (done == 0 or time.monotonic() < limit):
            length = max(2.0, min(args.length, limit - time.monotonic() - 6))
            episode = Episode(args.seed, number, f"{top}/{number}", length)
            print(f"\r\033[K" if terminal else "", end="")
            line = f"{time.monotonic() - began:6.0f} s  episode {number}: {episode.plan.says()}"
            print(line, end="\r" if terminal else "\n", flush=True)
            broken = episode.run()
            requests += sum(g.done for g in episode.world.guests)
            failed += sum(g.failed for g in episode.world.guests)
            doubt = episode.world.doubt
            if broken or doubt:
                stays = True
                report(episode, number, args.seed, "BROKEN PROMISE" if broken else "INCONCLUSIVE", broken or doubt)
                return 1 if broken else 3
            if args.keep:
                print("\n".join(episode.events))
            else:
                shutil.rmtree(episode.world.folder)
            number, done = number + 1, done + 1
        print(f"{done} episodes, {requests} requests answered, {failed} with an error as they ought: no promise broken"
              f" ({time.monotonic() - began:.0f} s)")
        return 0
    finally:
        if not stays:
            shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a guest's thread may still sit in a call
