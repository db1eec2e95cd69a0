#!/bin/bash
# readers.sh - are a thousand readers at a time served?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_fake a vm1
start_fake b vm2
start_weirfs
assert_eq "$(python3 - "$mnt" <<'PYTHON'
import sys, threading
mnt, bad, lock = sys.argv[1], [], threading.Lock()
start = threading.Barrier(1000)
def read(n):
    path = "%s/exports/vm%d/size_bytes" % (mnt, n % 2 + 1)
    start.wait()
    for _ in range(3):
        try:
            text = open(path).read()
        except OSError as e:
            text = str(e)
        if text != "1048576\n":
            with lock:
                bad.append(text)
threading.stack_size(1 << 17)
threads = [threading.Thread(target=read, args=(n,)) for n in range(1000)]
for t in threads: t.start()
for t in threads: t.join()
print("%d bad %s" % (len(bad), bad[:3]))
PYTHON
)" "0 bad []"
