#!/bin/bash
# blocks.sh - does it work on a disk that takes whole blocks of 4 KiB only, with smaller sectors?
# SPDX-License-Identifier: BSD-3-Clause
#
# A server far away that answers everything else with an error.
. "$WEIR_SOURCE/tests/filter/encryption/encryption.sh" || exit
requires nbdkit
spawn far nbdkit -f -U "$work/far.sock" --filter=blocksize-policy memory 24M \
    blocksize-minimum=4096 blocksize-preferred=4096 blocksize-maximum=256K blocksize-error-policy=error
wait_until 60 listens "$work/far.sock"
mkdir -p "$work/policies.d"

for sector in 512 4096; do
    rm -rf "$work/state" # which knows the disk of the turn before
    printf 'name = "p"; filters = ( %s );\n' "$(formatted "sector_size = \"$sector\";")" >"$work/policies.d/p.conf"
    cat >"$work/weir.conf" <<END
datastores = ( { name = "far"; type = "nbd"; uri = "nbd+unix:///?socket=$work/far.sock"; } );
exports = ( { name = "vm1"; datastore = "far"; image = ""; policy = "p"; } );
include_policies = "policies.d";
END
    start_gateway "$work/weir.conf"
    url=$(uri vm1)
    assert_eq "$(state)" active "$(why_locked)"
    assert_statistic encryption sector_size $sector
    nbd '
h.set_strict_mode(h.get_strict_mode() & ~nbd.STRICT_ALIGN)
data = bytes(range(256)) * 4096
h.pwrite(data, 0)
for at, length in ((1, 1), (511, 2), (4000, 9000), (100, 700001), (0, 512)):
    h.pwrite(b"\x55" * length, at)
    data = data[:at] + b"\x55" * length + data[at + length:]
    expect(h.pread(length + 77, at), data[at:at + length + 77])
h.flush()
expect(h.pread(len(data), 0), data)
h.zero(10000, 333)
expect(h.pread(20000, 0), data[:333] + bytes(10000) + data[10333:20000])
'
    new_key more
    verb encryption "add file:$work/more" >/dev/null
    stop_gateway
    # the header is still one: a gateway that starts again opens it
    start_gateway "$work/weir.conf"
    assert_eq "$(state)" active "$(why_locked)"
    stop_gateway
    # the next round needs an empty disk
    nbdsh -u "nbd+unix:///?socket=$work/far.sock" -c 'for at in range(0, 24 << 20, 256 << 10): h.zero(256 << 10, at)'
done
