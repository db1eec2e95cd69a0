#!/usr/bin/env python3
"""confined.py - what may a service do, without a systemd that is PID 1 to say so?

SPDX-License-Identifier: BSD-3-Clause

    confined.py UNIT COMMAND...

Becomes COMMAND with what the unit says of system calls, limits and umask, as systemd.exec(5)
describes each, by the same library.  setpriv(1) is for user and capabilities; what a mount
namespace does (ProtectSystem= and its like) is not here.
"""
import ctypes
import errno
import os
import re
import resource
import subprocess
import sys

import seccomp

PR_SET_NO_NEW_PRIVS = 38
PROT_WRITE, PROT_EXEC, CLONE_NEW = 2, 4, 0x7E020000
SHM_EXEC = 0o100000
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
libc = ctypes.CDLL(None, use_errno=True)


def read_unit(path):
    """{directive: [values]}; an empty value takes back what came before."""
    unit = {}
    for line in open(path, encoding="utf-8"):
        if m := re.match(r"(\w+)=(.*)", line.strip()):
            unit.setdefault(m[1], []).append(m[2].strip())
    return unit


def expand(words):
    """The system calls of "@group name ..."."""
    calls = set()
    for word in words:
        if word.startswith("@"):
            said = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True,
                                  capture_output=True, text=True).stdout
            members = [line.strip() for line in said.splitlines()[1:]]
            calls |= expand([m for m in members if m and not m.startswith("#")])
        else:
            calls.add(word)
    return calls


def allowed(unit):
    calls = expand(["@default"])
    for value in unit["SystemCallFilter"]:
        words = value.lstrip("~").split()
        calls = calls - expand(words) if value.startswith("~") else calls | expand(words)
    return calls


def forbid(f, name, *rules, error=errno.EPERM):
    try:
        f.add_rule_exactly(seccomp.ERRNO(error), name, *rules)
    except (RuntimeError, OSError):
        pass  # not of this architecture


def filter_of(unit):
    error = getattr(errno, unit["SystemCallErrorNumber"][-1])
    f = seccomp.SyscallFilter(seccomp.ERRNO(error))
    for name in allowed(unit):
        try:
            f.add_rule(seccomp.ALLOW, name)
        except RuntimeError:
            pass
    return f


def restrictions(unit):
    """Filters of their own, as systemd has them: each must agree."""
    f = seccomp.SyscallFilter(seccomp.ALLOW)
    masked = lambda arg, mask, value: seccomp.Arg(arg, seccomp.MASKED_EQ, mask, value)
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        forbid(f, "mmap", masked(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC))
        forbid(f, "mprotect", masked(2, PROT_EXEC, PROT_EXEC))
        forbid(f, "pkey_mprotect", masked(2, PROT_EXEC, PROT_EXEC))
        forbid(f, "shmat", masked(2, SHM_EXEC, SHM_EXEC))
    if unit.get("RestrictNamespaces") == ["yes"]:
        for bit in (1 << n for n in range(32) if CLONE_NEW & 1 << n):
            forbid(f, "clone", masked(0, bit, bit))
        forbid(f, "unshare")
        forbid(f, "setns")
        forbid(f, "clone3", error=errno.ENOSYS)
    if unit.get("RestrictRealtime") == ["yes"]:
        forbid(f, "sched_setscheduler", seccomp.Arg(1, seccomp.GT, 0))
    if unit.get("LockPersonality") == ["yes"]:
        forbid(f, "personality", seccomp.Arg(0, seccomp.NE, 0))
    if unit.get("RestrictSUIDSGID") == ["yes"]:
        for name, arg in {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2}.items():
            for bit in (0o4000, 0o2000):
                forbid(f, name, masked(arg, bit, bit))
        forbid(f, "openat2", error=errno.ENOSYS) # whose mode a filter cannot see
    if families := unit.get("RestrictAddressFamilies"):
        numbers = {getattr(__import__("socket"), name).value for name in families[-1].split()}
        for number in range(1, 46):
            if number not in numbers:
                forbid(f, "socket", seccomp.Arg(0, seccomp.EQ, number), error=errno.EAFNOSUPPORT)
    return f


def limit(unit, name, what):
    if name in unit:
        value = unit[name][-1]
        value = int(value.rstrip("KMG")) * UNITS.get(value[-1], 1)
        hard = resource.getrlimit(what)[1] # a container may not raise it
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def main():
    path, *command = sys.argv[1:]
    unit = read_unit(path)
    filters = [restrictions(unit), filter_of(unit)]
    limit(unit, "LimitNOFILE", resource.RLIMIT_NOFILE)
    limit(unit, "LimitCORE", resource.RLIMIT_CORE)
    limit(unit, "LimitMEMLOCK", resource.RLIMIT_MEMLOCK)
    os.umask(int(unit["UMask"][-1], 8))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    for f in filters: # the one that allows least is the last, for it may forbid seccomp()
        f.load()
    os.execvp(command[0], command)


main()
