#!/bin/bash
# filter-example.sh - does the example of weir-filter(3) build and work, as it is written?
# SPDX-License-Identifier: BSD-3-Clause
#
# Against what is installed: header and pkg-config file come from `meson install`.
. "$WEIR_SOURCE/tests/lib.sh"
. "$WEIR_SOURCE/tests/docs/installed.sh"

python3 "$WEIR_SOURCE/tests/docs/verbatim.py" "$WEIR_SOURCE/gateway/weir-filter.pod" "$work/shown"
source=$(grep -l '^/\* guard.c' "$work"/shown/*)
command=$(grep -l 'o weir-filter-guard.so' "$work"/shown/*)
cp "$source" "$work/guard.c"
# one word of the page changes: a warning is an error here
(cd "$work" && sed 's/-Wall/-Wall -Wextra -Werror/' "$command" | bash) || fail "the example does not build"

mkdir "$work/filters" "$work/policies.d"
mv "$work/weir-filter-guard.so" "$work/filters"
cp "$(grep -l '^name = "guarded"' "$work"/shown/*)" "$work/policies.d/guarded.conf"
cat >"$work/weir.conf" <<CONF
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "disk"; datastore = "m"; size = "16M"; policy = "guarded"; } );
include_policies = "policies.d";
CONF
WEIR_FILTERS=$work/filters:$WEIR_FILTERS
start_gateway "$work/weir.conf"
/usr/bin/python3 - "$(uri disk)" "$WEIR_RUN/ctl/main.sock" <<'END' || fail "the filter does not do what the page says"
import json, nbd, socket, sys

h = nbd.NBD()
h.connect_uri(sys.argv[1])
h.pwrite(b"x" * 512, 64 * 1024)
assert h.pread(512, 64 * 1024) == b"x" * 512
changes = [lambda: h.pwrite(b"x" * 512, 64 * 1024 - 512), lambda: h.zero(512, 0),
           lambda: h.trim(512, 0)]
for change in changes:
    try:
        change()
    except nbd.Error as e:
        assert e.errno == "EPERM", e.errno
    else:
        raise SystemExit("the start of the disk was changed")
assert h.pread(512, 0) == bytes(512)

control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[2])
path = "exports/disk/filters/10-guard/stats/refused"
control.sendall(json.dumps({"op": "get", "path": path}).encode() + b"\n")
answer = json.loads(control.makefile().readline())
assert answer.get("text") == "3\n", answer
END
