#!/usr/bin/python3
# clients-protocol.py - does each NBD command do on an export what the protocol says?
# SPDX-License-Identifier: BSD-3-Clause
"""clients-protocol.py SOCKET EXPORT [opaque]: by libnbd, on an export of at least 16 MiB.  An opaque one
may call zeroes data: they are encrypted, or in a cache and not in the store."""
import errno
import os
import random
import sys

import nbd

MIB = 1 << 20
# The disk is also found changed by a second client, so that no cache of ours can hide it.
SOCKET, EXPORT = sys.argv[1:3]
OPAQUE = sys.argv[3:] == ["opaque"]


def connect():
    handle = nbd.NBD()
    handle.set_export_name(EXPORT)
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    handle.set_strict_mode(0)  # what is wrong must reach the server
    handle.connect_unix(SOCKET)
    return handle


one, two = connect(), connect()
size = one.get_size()


def refused(expected, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except nbd.Error as error:
        assert error.errnum in expected, f"{call.__name__}{arguments}: {error}"
        return
    raise AssertionError(f"{call.__name__}{arguments} was not refused")


def extents(handle, length, offset, flags=0):
    found = []

    def collect(context, start, entries, error):
        at = start
        for span, kind in zip(entries[0::2], entries[1::2]):
            found.append((at, span, kind))
            at += span

    handle.block_status(length, offset, collect, flags)
    return found


def test_writes_are_seen_by_another_connection():
    data = os.urandom(MIB)
    one.pwrite(data, 3 * MIB)
    assert two.pread(MIB, 3 * MIB) == data


def test_bytes_need_no_alignment():
    one.pwrite(b"\0" * 64, 8000)
    one.pwrite(b"abc", 8001)
    assert two.pread(6, 8000) == b"\0abc\0\0"
    one.zero(1, 8002)
    assert two.pread(6, 8000) == b"\0a\0c\0\0"
    one.pwrite(b"z", size - 1)
    assert two.pread(1, size - 1) == b"z"


def test_fua_is_taken_with_every_change():
    one.pwrite(b"f" * 4096, MIB, nbd.CMD_FLAG_FUA)
    one.zero(4096, MIB + 4096, nbd.CMD_FLAG_FUA)
    one.trim(4096, MIB + 8192, nbd.CMD_FLAG_FUA)
    assert two.pread(4096, MIB) == b"f" * 4096
    assert two.pread(4096, MIB + 4096) == bytes(4096)


def test_flush_on_one_connection_covers_the_other():
    assert one.can_multi_conn()
    one.pwrite(b"m" * 512, 2 * MIB)
    two.flush()
    assert two.pread(512, 2 * MIB) == b"m" * 512


def test_zero_reads_back_as_zeroes():
    for flags in (0, nbd.CMD_FLAG_NO_HOLE):
        one.pwrite(b"x" * 3 * 65536, 4 * MIB)
        one.zero(65536 + 2, 4 * MIB + 65535, flags)
        data = two.pread(3 * 65536, 4 * MIB)
        assert data == b"x" * 65535 + bytes(65538) + b"x" * (3 * 65536 - 65535 - 65538)


def test_fast_zero_is_done_or_refused_whole():
    """nbdkit 1.32 aborts when a client sends it to an export that did not offer it."""
    if os.environ["WEIR_SERVER"] == "plain" and not one.can_fast_zero():
        return
    assert one.can_fast_zero()
    before = b"y" * 65536
    one.pwrite(before, 6 * MIB)
    try:
        one.zero(65536, 6 * MIB, nbd.CMD_FLAG_FAST_ZERO)
        assert two.pread(65536, 6 * MIB) == bytes(65536)
    except nbd.Error as error:
        assert error.errnum == errno.ENOTSUP, error
        assert two.pread(65536, 6 * MIB) == before


def test_trim_leaves_the_neighbours():
    one.pwrite(b"t" * MIB, 7 * MIB)
    one.trim(MIB - 8192, 7 * MIB + 4096)
    assert two.pread(4096, 7 * MIB) == b"t" * 4096
    assert two.pread(4096, 8 * MIB - 4096) == b"t" * 4096


def test_block_status_covers_the_range_in_order():
    one.zero(MIB, 9 * MIB)
    one.pwrite(b"d" * 65536, 9 * MIB + 262144)
    found = extents(two, MIB, 9 * MIB)
    at = 9 * MIB
    for start, span, _ in found:
        assert start == at, found
        at += span
    assert at >= 10 * MIB, found
    data = [(a, n) for a, n, kind in found if kind == 0]
    assert any(a <= 9 * MIB + 262144 < a + n for a, n in data), found
    assert any(kind & nbd.STATE_ZERO for _, _, kind in found) or OPAQUE, found


def test_one_extent_ends_where_the_data_does():
    """qemu-img map asks so, and saw a whole disk of data when an answer was filled up."""
    one.zero(MIB, 9 * MIB)
    one.pwrite(b"d" * 65536, 9 * MIB)
    single = extents(two, MIB, 9 * MIB, nbd.CMD_FLAG_REQ_ONE)
    assert len(single) == 1 and single[0][2] == 0, single
    if OPAQUE:
        return
    assert single[0][1] < MIB, single
    single = extents(two, MIB - 262144, 9 * MIB + 262144, nbd.CMD_FLAG_REQ_ONE)
    assert single == [(9 * MIB + 262144, MIB - 262144, nbd.STATE_HOLE | nbd.STATE_ZERO)], single


def test_cache_has_no_visible_effect():
    assert one.can_cache()
    data = two.pread(MIB, 0)
    one.cache(MIB, 0)
    assert two.pread(MIB, 0) == data


def test_what_is_outside_the_disk_is_refused():
    refused([errno.EINVAL], one.pread, 512, size)
    refused([errno.EINVAL], one.pread, 512, size - 511)
    refused([errno.ENOSPC, errno.EINVAL], one.pwrite, b"x" * 512, size - 511)
    refused([errno.ENOSPC, errno.EINVAL], one.zero, 512, size)
    refused([errno.EINVAL, errno.ENOSPC], one.trim, 512, size)
    refused([errno.EINVAL], one.cache, 512, size)
    refused([errno.EINVAL], one.block_status, 512, size, lambda *a: 0)
    # and the connection lives on
    assert one.pread(1, 0) == two.pread(1, 0)


def test_unknown_commands_and_flags_are_refused():
    refused([errno.EINVAL], one.pread, 512, 0, 1 << 9)
    assert len(one.pread(512, 0)) == 512


def test_overlapping_requests_in_flight_tear_no_block():
    """Many writes of one value to the same block: a reader sees one of them, whole."""
    at = 10 * MIB
    for _ in range(20):
        buffers = [nbd.Buffer.from_bytearray(bytearray([n]) * 4096) for n in range(1, 17)]
        cookies = [handle.aio_pwrite(buffer, at) for buffer, handle in zip(buffers, [one, two] * 8)]
        for cookie, handle in zip(cookies, [one, two] * 8):
            while not handle.aio_command_completed(cookie):
                handle.poll(-1)
        block = one.pread(4096, at)
        assert len(set(block)) == 1 and block[0] in range(1, 17), set(block)


def test_random_commands_match_a_model():
    seed = int(os.environ.get("WEIR_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    generator = random.Random(seed)
    base, span = 11 * MIB, 4 * MIB
    one.zero(span, base)
    model = bytearray(span)
    for step in range(600):
        at = generator.randrange(span)
        length = min(generator.choice([1, 511, 512, 4096, 65536, 200001]), span - at)
        flags = generator.choice([0, 0, nbd.CMD_FLAG_FUA])
        handle = generator.choice([one, two])
        what = generator.choice(["write", "write", "zero", "read"])
        if what == "write":
            data = generator.randbytes(length)
            handle.pwrite(data, base + at, flags)
            model[at:at + length] = data
        elif what == "zero":
            handle.zero(length, base + at, flags | generator.choice([0, nbd.CMD_FLAG_NO_HOLE]))
            model[at:at + length] = bytes(length)
        else:
            assert handle.pread(length, base + at) == model[at:at + length], f"step {step}, seed {seed}"
    assert two.pread(span, base) == model, f"seed {seed}"


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(f"ok {name}")
one.shutdown()
two.shutdown()
