#!/usr/bin/python3
"""defects.py - does the campaign see what it is there to see?
SPDX-License-Identifier: BSD-3-Clause

defects.py check               each of defects/*.patch still applies to the tree (nothing is built)
defects.py run [--minutes=N] [--seed=S] [NAME…]
                               builds a copy of the tree with one defect at a time, and runs the campaign
                               until that is caught, for at most N minutes (30); 1: one was not

Each patch breaks one promise, as somebody might by mistake.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.environ.get("WEIR_SOURCE", os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("WEIR_BUILD", SOURCE + "/build")
PARTS = ("gateway", "filters", "plugins", "conf", "tests", "meson.build", "meson_options.txt", "LICENSE", "README.md")


def patches(names):
    every = {os.path.basename(p)[:-len(".patch")]: p for p in sorted(glob.glob(HERE + "/defects/*.patch"))}
    for name in names:
        if name not in every:
            sys.exit(f"there is no defect {name}; there are: {' '.join(every)}")
    return [(n, p) for n, p in every.items() if not names or n in names]


def apply(tree, patch, *more):
    return subprocess.run(["patch", "-p1", "--batch", "--no-backup-if-mismatch", *more, "-d", tree, "-i", patch],
                          capture_output=True, text=True)


def check():
    failed = 0
    for name, patch in patches(()):
        done = apply(SOURCE, patch, "--dry-run", "--fuzz=0")
        if done.returncode:
            failed += 1
            print(f"{name} does not apply any more: renew it\n{done.stdout}{done.stderr}")
    if len(patches(())) != 10:
        sys.exit(f"{len(patches(()))} defects, not ten")
    return failed


def build(tree):
    done = subprocess.run(["ninja", "-C", tree + "/build"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout[-3000:])


def copy(tree):
    for part in PARTS:
        source = f"{SOURCE}/{part}"
        if os.path.isdir(source):
            shutil.copytree(source, f"{tree}/{part}", symlinks=True)
        else:
            shutil.copy(source, f"{tree}/{part}")
    done = subprocess.run(["meson", "setup", "-Dtests=disabled", "-Dbuildtype=debugoptimized", tree + "/build", tree], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout[-3000:])
    build(tree)


def run(args):
    escaped = []
    with tempfile.TemporaryDirectory(prefix="weir-soak.") as top:
        tree = top + "/tree"
        os.mkdir(tree)
        copy(tree)
        environment = dict(os.environ, WEIR_BUILD=tree + "/build", WEIR_SOURCE=SOURCE, TMPDIR=top,
                           WEIR_SOAK_HOST=BUILD + "/tests/soak/host.so", PYTHONDONTWRITEBYTECODE="1")
        environment.pop("WEIR_FILTERS", None)
        for name, patch in patches(args.names):
            if apply(tree, patch).returncode:
                sys.exit(f"{name} does not apply")
            build(tree)
            began = time.monotonic()
            words = [HERE + "/soak.py", f"--minutes={args.minutes}"] + ([f"--seed={args.seed}"] if args.seed else [])
            done = subprocess.run(["/usr/bin/python3", *words], capture_output=True, text=True, env=environment)
            caught = "BROKEN PROMISE" in done.stdout
            why = next((l for l in done.stdout.splitlines() if "BROKEN PROMISE" in l), done.stdout[-500:] + done.stderr[-500:])
            print(f"{name}: {'caught' if caught else 'NOT CAUGHT'} after {time.monotonic() - began:.0f} s: {why[:400]}", flush=True)
            escaped += [] if caught else [name]
            apply(tree, patch, "--reverse")
    print(f"not caught: {' '.join(escaped)}" if escaped else "all were caught")
    return 1 if escaped else 0


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("what", choices=("check", "run"))
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--seed", type=int)
    p.add_argument("names", nargs="*")
    args = p.parse_args()
    sys.exit(check() if args.what == "check" else run(args))


main()
