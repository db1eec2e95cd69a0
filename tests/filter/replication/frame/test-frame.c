/* test-frame.c - is a frame read as it was written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encode.h"
#include "frames.h"
#include "seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct frame_key key = { { 1, 2, 3 } };

/* Bytes that do not compress, the same in every run. */
static uint8_t *noise(size_t size)
{
    uint8_t *bytes = test_malloc(size);
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)x;
    }
    return bytes;
}

/* ---- what is written is read ------------------------------------------------- */

static void assert_record(const struct frame *f, const void *payload, uint32_t index,
                          const struct record *want)
{
    struct record r;

    frame_record(f, payload, index, &r);
    assert_int_equal(r.disk, want->disk);
    assert_int_equal(r.op, want->op);
    assert_int_equal(r.flags, want->flags);
    assert_int_equal(r.length, want->length);
    assert_int_equal(r.offset, want->offset);
    assert_int_equal(r.lsn, want->lsn);
}

static void check_every(const struct draft *d, const struct frame_key *k)
{
    struct frame f;
    struct frame_walk at = { 0 };
    struct record r;
    const void *data;
    void *payload;
    uint32_t seen = 0;

    assert_int_equal(read_back(d->bytes, d->size, k, &f, &payload, NULL), 0);
    while (frame_next(&f, payload, &at, &r, &data)) {
        assert_record(&f, payload, seen, &every[seen]);
        assert_int_equal(r.lsn, every[seen].lsn);
        if (r.op == RECORD_DISK)
            assert_memory_equal(data, "root", 4);
        else if (r.op == RECORD_MARK)
            assert_memory_equal(data, "before upgrade", r.length);
        else
            for (uint32_t i = 0; i < record_data(&r); i++)
                assert_int_equal(((const uint8_t *)data)[i], 'a' + (int)seen);
        seen++;
    }
    assert_int_equal(seen, EVERY);
    free(payload);
}

static void test_every_record_in_every_kind_of_frame(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags < 4; flags++)
        for (int keyed = 0; keyed < 2; keyed++) {
            const struct frame_key *k = keyed ? &key : NULL;
            struct draft d;
            draft_every(&d, flags, k);
            assert_int_equal(!!(d.frame.flags & FRAME_ZSTD), !!(flags & FRAME_ZSTD));
            assert_int_equal(!!(d.frame.flags & FRAME_PART), !!(flags & FRAME_PART));
            check_every(&d, k);
            check_every(&d, NULL); /* who has no key does not look at the tag */
            draft_free(&d);
        }
}

/* Where each field stands is a promise to logs that exist. */
static void test_layout(void **state)
{
    struct frame f = {
        .flags = FRAME_PART | FRAME_AUTH,
        .generation = 0x2101,
        .token = 0x2202,
        .position = 5 * FRAME_ALIGN,
        .previous = FRAME_ALIGN,
        .previous_digest = 0x2303,
        .first_lsn = 0x2404,
        .last_lsn = 0x2404,
        .time = 0x2505,
        .records = 1,
        .raw = 24 + 16,
        .stored = 24 + 16,
    };
    uint8_t out[FRAME_ALIGN], payload[40] = { 0 };
    struct frame back;

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        f.group[i] = i;
    record_write(&(struct record){ .disk = 0x12,
                                   .op = RECORD_WRITE,
                                   .flags = RECORD_COPY,
                                   .length = 16,
                                   .offset = 0x31,
                                   .lsn = 0x2404 },
                 payload);
    memset(payload + 24, 'd', 16);
    memset(out, 0xff, sizeof(out));
    assert_int_equal(frame_write(&f, payload, &key, out), 0);
    assert_memory_equal(out, "WEIRLOG1\1\0\x80\0\5\0\0\0\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf",
                        32);
    const struct {
        size_t at;
        uint64_t value;
    } number[] = { { 32, 0x2101 },      { 40, 0x2202 }, { 48, 5 * FRAME_ALIGN },
                   { 56, FRAME_ALIGN }, { 64, 0x2303 }, { 72, 0x2404 },
                   { 80, 0x2404 },      { 88, 0x2505 }, { 112, digest_of(payload, 40) } };
    for (size_t i = 0; i < sizeof(number) / sizeof(*number); i++)
        assert_int_equal(get64(out + number[i].at), number[i].value);
    assert_int_equal(get32(out + 96), 1);
    assert_int_equal(get32(out + 100), 40);
    assert_int_equal(get32(out + 104), 40);
    assert_int_equal(get32(out + 108), 0);
    assert_int_equal(get32(out + 120), 0);
    assert_memory_equal(out + 128, "\x12\0\1\1\x10\0\0\0\x31\0\0\0\0\0\0\0\4\x24\0\0\0\0\0\0", 24);
    for (size_t i = 128 + 40 + FRAME_TAG; i < sizeof(out); i++)
        assert_int_equal(out[i], 0);
    assert_int_equal(frame_read(out, &back, NULL), 0);
    /* every field came back: what is written of it is the same */
    uint8_t again[FRAME_ALIGN];
    back.payload_digest = 0;
    assert_int_equal(frame_write(&back, payload, &key, again), 0);
    assert_memory_equal(again, out, sizeof(out));
}

/* The values that others compute: CRC32C and RFC 4231, test case 1. */
static void test_known_answers(void **state)
{
    static const uint8_t want[FRAME_TAG] = {
        0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf,
        0xce, 0xaf, 0x0b, 0xf1, 0x2b, 0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83,
        0x3d, 0xa7, 0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7,
    };
    struct frame_key k = { { 0 } };
    uint8_t tag[FRAME_TAG];

    (void)state;
    assert_int_equal(seal_crc("123456789", 9), 0xe3069283);
    memset(k.bytes, 0x0b, 20);
    assert_int_equal(seal_tag(&k, "Hi ", 3, "There", 5, tag), 0);
    assert_memory_equal(tag, want, sizeof(want));
    assert_int_equal(digest_of("", 0), 0x2d06800538d394c2);
}

static void test_payload_that_is_in_place_already(void **state)
{
    struct draft d;
    struct frame f;

    (void)state;
    draft_every(&d, 0, &key);
    uint8_t *in_place = test_malloc(d.size);
    memset(in_place, 0xee, d.size);
    memcpy(in_place + FRAME_HEADER, d.bytes + FRAME_HEADER, d.frame.stored);
    f = d.frame;
    assert_int_equal(frame_write(&f, in_place + FRAME_HEADER, &key, in_place), 0);
    assert_memory_equal(in_place, d.bytes, d.size);
    test_free(in_place);
    draft_free(&d);
}

static void test_key_and_flag_agree(void **state)
{
    struct frame f = { .generation = 1 };
    uint8_t out[FRAME_ALIGN] = { 0 };

    (void)state;
    assert_int_equal(frame_write(&f, out + FRAME_HEADER, &key, out), -EINVAL);
    f.flags = FRAME_AUTH;
    assert_int_equal(frame_write(&f, out + FRAME_HEADER, NULL, out), -EINVAL);
}

/* ---- limits ------------------------------------------------------------------ */

/* 0 or the error of reading a frame of `count` writes of `size` bytes. */
static int try_size(uint32_t count, uint32_t size)
{
    uint8_t *data = noise(size);
    struct draft d;
    struct frame f;
    void *payload;

    draft_begin(&d, 0, 0);
    for (uint32_t i = 0; i < count; i++)
        draft_add(&d, WRITE((uint64_t)i * size, size, i + 1), data, size);
    draft_finish(&d, NULL);
    int error = read_back(d.bytes, d.size, NULL, &f, &payload, NULL);
    free(payload);
    draft_free(&d);
    test_free(data);
    return error;
}

static void test_sizes_at_their_limits(void **state)
{
    (void)state;
    assert_int_equal(try_size(1, 1), 0);
    assert_int_equal(try_size(1, RECORD_LENGTH), 0);
    assert_int_equal(try_size(1, RECORD_LENGTH + 1), -EBADMSG);
    assert_int_equal(try_size(FRAME_RECORDS, 1000), 0);
    assert_int_equal(try_size(FRAME_RECORDS + 1, 100), -EBADMSG);
    assert_int_equal(try_size(2, FRAME_PAYLOAD / 2 - FRAME_RECORD), 0);
    assert_int_equal(try_size(2, FRAME_PAYLOAD / 2 - FRAME_RECORD + 1), -EBADMSG);
    assert_int_equal(try_size(0, 0), -EBADMSG);
}

static void test_frames_are_placed_within_segments(void **state)
{
    const uint64_t span = 8192;

    (void)state;
    assert_int_equal(frame_place(0, span), 0);
    assert_int_equal(frame_place(1, span), FRAME_ALIGN);
    assert_int_equal(frame_place(SEGMENT - span, span), SEGMENT - span);
    assert_int_equal(frame_place(SEGMENT - FRAME_ALIGN, span), SEGMENT);
    assert_int_equal(frame_place(3ull * SEGMENT - 1, span), 3ull * SEGMENT);
    for (uint64_t end = 0; end < 3ull * SEGMENT; end += 1021 * 31) {
        const uint64_t most = FRAME_HEADER + FRAME_PAYLOAD + FRAME_ALIGN - FRAME_HEADER;
        const uint64_t at = frame_place(end, most);
        assert_true(at >= end && at % FRAME_ALIGN == 0 &&
                    at / SEGMENT == (at + most - 1) / SEGMENT);
    }
}

static void test_packing_that_does_not_pay(void **state)
{
    const size_t size = 256 << 10;
    uint8_t *bytes = noise(size), *out = test_malloc(size);

    (void)state;
    assert_int_equal(frame_pack(bytes, size, out, size), 0);
    /* what saves less than a block of the log saves nothing */
    assert_int_equal(frame_pack(bytes, FRAME_ALIGN, out, size), 0);
    memset(bytes, 0, 3000);
    assert_int_equal(frame_pack(bytes, 16000, out, size), 0);
    /* nor does what saves less than 1/16 */
    memset(bytes, 0, 12000);
    assert_int_equal(frame_pack(bytes, size, out, size), 0);
    memset(bytes, 0, size);
    assert_in_range(frame_pack(bytes, size, out, size), 1, size / 100);
    assert_in_range(frame_pack(bytes, 2 * FRAME_ALIGN, out, size), 1, FRAME_ALIGN);
    assert_int_equal(frame_pack(bytes, size, out, 4), 0); /* no room */
    test_free(bytes);
    test_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_record_in_every_kind_of_frame),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_payload_that_is_in_place_already),
        cmocka_unit_test(test_key_and_flag_agree),
        cmocka_unit_test(test_sizes_at_their_limits),
        cmocka_unit_test(test_frames_are_placed_within_segments),
        cmocka_unit_test(test_packing_that_does_not_pay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
