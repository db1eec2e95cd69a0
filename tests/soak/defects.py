#!/usr/bin/python3
"""defects.py - does the campaign see what it is there to see?
SPDX-License-Identifier: BSD-3-Clause

defects.py check               each of defects/*.patch still applies to the tree (nothing is built)
defects.py run [--minutes=N] [--seed=S] [NAME…]
                               builds a copy of the tree with one defect at a time, and runs the campaign
                               until that is caught, for at most N minutes (30); 1: one was not

Each patch breaks one promise, as somebody might by mistake; its line "Seen as:" is the regular expression of
what the campaign says of this promise.  Caught is what is seen as that, and nothing else.
"""
import argparse
import glob
import os
import re
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


def seen_as(patch):
    with open(patch) as f:
        lines = [line[len("Seen as: "):].strip() for line in f if line.startswith("Seen as: ")]
    if len(lines) != 1 or not lines[0]:
        sys.exit(f'{patch} has not one line "Seen as: WHAT THE CAMPAIGN SAYS"')
    return re.compile(lines[0])


def judge(patch, status, out):
    """caught, or how it was not; and the line that says so"""
    why = next((line for line in out.splitlines() if re.match("BROKEN PROMISE|INCONCLUSIVE", line)), out[-500:])
    if status == 1 and why.startswith("BROKEN PROMISE"):
        return "caught" if seen_as(patch).search(why) else "NOT CAUGHT, but something else", why
    return {0: "NOT CAUGHT", 3: "INCONCLUSIVE"}.get(status, f"NOT JUDGED, status {status},"), why


def apply(tree, patch, *more):
    return subprocess.run(["patch", "-p1", "--batch", "--no-backup-if-mismatch", *more, "-d", tree, "-i", patch],
                          capture_output=True, text=True)


def check():
    failed = 0
    for name, patch in patches(()):
        seen_as(patch)
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
            verdict, why = judge(patch, done.returncode, done.stdout + done.stderr)
            print(f"{name}: {verdict} after {time.monotonic() - began:.0f} s: {why[:400]}", flush=True)
            escaped += [] if verdict == "caught" else [name]
            apply(tree, patch, "--reverse")
    print(f"not caught: {' '.join(escaped)}" if escaped else "all were caught")
    return 1 if escaped else 0


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("what", choices=("check", "run"))
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--seed", type=int)
    p.add_argument("names", nargs="*")
    args = p.parse_intermixed_args()  # options may follow names
    sys.exit(check() if args.what == "check" else run(args))


main()
