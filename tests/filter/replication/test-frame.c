/* test-frame.c - is a frame read as it was written, and nothing else read as one?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encode.h"
#include "frames.h"
#include "page.h"
#include "seal.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct frame_key key = { { 1, 2, 3 } }, other_key = { { 1, 2, 4 } };

#define WRITE(at, size, number)                                                                    \
    (&(struct record){ .op = RECORD_WRITE, .length = (size), .offset = (at), .lsn = (number) })

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

static int read_back(const uint8_t *bytes, size_t size, const struct frame_key *k,
                     struct frame *ret, void **payload, struct weir_text *why)
{
    int error = frame_read(bytes, ret, why);

    *payload = NULL;
    if (error)
        return error;
    return frame_unpack(ret, bytes, bytes + FRAME_HEADER, size - FRAME_HEADER, k, payload, why);
}

static void assert_refused(struct draft *d, const struct frame_key *k, int error)
{
    struct weir_text why = { 0 };
    struct frame f;
    void *payload;

    assert_int_equal(read_back(d->bytes, d->size, k, &f, &payload, &why), error);
    assert_null(payload);
    assert_true(strlen(text_string(&why)) > 20); /* a sentence */
    text_finish(&why);
}

/* ---- what is written is read --------------------------------------------------- */

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

static const struct record every[] = {
    { .disk = 1, .op = RECORD_WRITE, .length = 512, .offset = 4096, .lsn = 10 },
    { .disk = 63,
      .op = RECORD_WRITE,
      .flags = RECORD_COPY,
      .length = 65536,
      .offset = 65536,
      .lsn = 11 },
    { .op = RECORD_ZERO, .length = 1u << 31, .offset = 1ull << 40, .lsn = 20 },
    { .op = RECORD_TRIM, .length = 1, .offset = INT64_MAX - 1, .lsn = 21 },
    { .disk = 2, .op = RECORD_DISK, .length = 4, .offset = 1ull << 41, .lsn = 22 },
    { .op = RECORD_MARK, .length = 0, .lsn = 23 },
    { .op = RECORD_MARK, .flags = RECORD_APP, .length = 14, .lsn = 24 },
    { .disk = 1, .op = RECORD_VERIFY, .length = 65536, .offset = 65536, .lsn = UINT64_MAX },
};
enum { EVERY = sizeof(every) / sizeof(*every) };

static void make_every(struct draft *d, uint32_t flags, const struct frame_key *k)
{
    uint8_t *data = calloc(1, 65536);

    assert_non_null(data);
    draft_begin(d, FRAME_ALIGN, flags);
    for (int i = 0; i < EVERY; i++) {
        const char *name = every[i].op == RECORD_DISK ? "root" : "before upgrade";
        const bool named = every[i].op == RECORD_DISK || every[i].op == RECORD_MARK;
        memset(data, 'a' + i, 65536);
        draft_add(d, &every[i], named ? (const void *)name : data, record_data(&every[i]));
    }
    draft_finish(d, k);
    free(data);
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
            make_every(&d, flags, k);
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
    make_every(&d, 0, &key);
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

/* ---- limits ---------------------------------------------------------------------- */

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

/* ---- damage ----------------------------------------------------------------------- */

static void test_each_damaged_bit_is_refused(void **state)
{
    struct draft d;
    struct frame f;
    uint8_t data[300];
    void *payload;

    (void)state;
    memset(data, 'x', sizeof(data));
    draft_begin(&d, FRAME_ALIGN, FRAME_PART);
    draft_add(&d, WRITE(0, 300, 1), data, sizeof(data));
    draft_add(&d, WRITE(4096, 7, 5), data, 7);
    draft_finish(&d, &key);
    const size_t said = FRAME_HEADER + d.frame.stored, all = said + FRAME_TAG;
    for (size_t bit = 0; bit < all * 8; bit++) {
        d.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int error = read_back(d.bytes, d.size, &key, &f, &payload, NULL);
        assert_int_equal(error, bit < 64 ? -ENODATA : bit < said * 8 ? -EBADMSG : -EKEYREJECTED);
        error = read_back(d.bytes, d.size, NULL, &f, &payload, NULL);
        assert_int_equal(error, bit < 64 ? -ENODATA : bit < said * 8 ? -EBADMSG : 0);
        free(payload);
        d.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = FRAME_HEADER; size < all; size++)
        assert_int_equal(read_back(d.bytes, size, &key, &f, &payload, NULL), -EBADMSG);
    assert_int_equal(read_back(d.bytes, all, &key, &f, &payload, NULL), 0);
    free(payload);
    draft_free(&d);
}

/* Whoever has not the key cannot make a frame, be everything in it right. */
static void test_tags(void **state)
{
    struct draft d;

    (void)state;
    make_every(&d, FRAME_ZSTD, &other_key);
    assert_refused(&d, &key, -EKEYREJECTED);
    draft_free(&d);
    make_every(&d, FRAME_ZSTD, NULL);
    assert_refused(&d, &key, -EKEYREJECTED);
    draft_free(&d);
    /* another header over the same payload */
    make_every(&d, FRAME_ZSTD, &key);
    put64(d.bytes + 40, 4); /* token */
    draft_seal(&d);
    assert_refused(&d, &key, -EKEYREJECTED);
    draft_free(&d);
}

static void bend(const struct draft *good, size_t at, uint64_t value, size_t size, bool refused)
{
    struct draft d = *good;
    struct frame f;
    uint8_t *mine = test_malloc(d.size);

    memcpy(mine, good->bytes, d.size);
    d.bytes = mine;
    for (size_t i = 0; i < size; i++)
        mine[at + i] = (uint8_t)(value >> 8 * i);
    draft_seal(&d);
    int error = frame_read(mine, &f, NULL);
    if (!!error != refused)
        print_error("%zu bytes at %zu are %#llx: %d\n", size, at, (unsigned long long)value, error);
    assert_int_equal(error, refused ? -EBADMSG : 0);
    test_free(mine);
}

/* A header with the right checksum that is impossible all the same. */
static void test_headers_that_cannot_be(void **state)
{
    uint8_t data[4096] = { 0 };
    struct draft d;

    (void)state;
    draft_begin(&d, 2 * FRAME_ALIGN, 0);
    draft_add(&d, WRITE(0, 4096, 9), data, sizeof(data));
    draft_add(&d, WRITE(0, 4096, 12), data, sizeof(data));
    draft_finish(&d, NULL);
    const uint64_t raw = d.frame.raw;
    const struct {
        size_t at, size;
        uint64_t value;
        bool refused;
    } cases[] = {
        { 8, 2, 2, true },
        { 8, 2, 0, true },
        { 10, 2, 129, true }, /* version, length */
        { 12, 4, 8, true },
        { 12, 4, FRAME_PART, false }, /* flags */
        { 12, 4, FRAME_ZSTD, true },  /* stored == raw */
        { 32, 8, 0, true },
        { 32, 8, 1, false },
        { 40, 8, 0, false }, /* generation, token */
        { 48, 8, 2 * FRAME_ALIGN + 1, true },
        { 48, 8, 512, true }, /* position */
        { 48, 8, SEGMENT - 2 * FRAME_ALIGN, true },
        { 48, 8, SEGMENT - 3 * FRAME_ALIGN, false },
        { 48, 8, LOG_SIZE - LOG_AT, true },
        { 48, 8, UINT64_MAX - FRAME_ALIGN + 1, true },
        { 48, 8, LOG_SIZE - LOG_AT - SEGMENT, false },
        { 48, 8, 0, true },
        { 48, 8, FRAME_ALIGN, true }, /* previous == position */
        { 56, 8, 2 * FRAME_ALIGN, true },
        { 56, 8, 3 * FRAME_ALIGN, true },
        { 56, 8, 5, true },
        { 56, 8, 0, false },
        { 72, 8, 0, true },
        { 72, 8, 12, true },
        { 72, 8, 13, true },
        { 72, 8, 11, false }, /* LSNs */
        { 80, 8, 8, true },
        { 80, 8, 9, true },
        { 80, 8, 10, false },
        { 96, 4, 0, true },
        { 96, 4, FRAME_RECORDS + 1, true },
        { 96, 4, UINT32_MAX, true },
        { 96, 4, 345, true }, /* more table than payload, and fewer LSNs than records */
        { 100, 4, raw - 1, true },
        { 100, 4, raw + 1, true },
        { 100, 4, 0, true },
        { 100, 4, UINT32_MAX, true },
        { 104, 4, 0, true },
        { 104, 4, raw - 1, true },
        { 104, 4, UINT32_MAX, true },
        { 108, 4, 1, true },
        { 120, 4, 1, true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        bend(&d, cases[i].at, cases[i].value, cases[i].size, cases[i].refused);
    draft_free(&d);
}

static void test_records_that_cannot_be(void **state)
{
    static const struct record cases[] = {
        { .op = 0, .length = 1 },
        { .op = RECORD_VERIFY + 1, .length = 1 },
        { .op = 255 },
        { .disk = DISKS, .op = RECORD_WRITE, .length = 1 },
        { .op = RECORD_WRITE, .length = 0 },
        { .op = RECORD_WRITE, .length = RECORD_LENGTH + 1 },
        { .op = RECORD_WRITE, .length = 2, .offset = UINT64_MAX },
        { .op = RECORD_WRITE, .length = 1, .offset = INT64_MAX },
        { .op = RECORD_WRITE, .flags = RECORD_APP, .length = 1 },
        { .op = RECORD_WRITE, .flags = 4, .length = 1 },
        { .op = RECORD_ZERO, .length = 0 },
        { .op = RECORD_ZERO, .length = (1u << 31) + 1 },
        { .op = RECORD_ZERO, .length = 1u << 31, .offset = UINT64_MAX - 5 },
        { .op = RECORD_ZERO, .flags = RECORD_APP, .length = 1 },
        { .op = RECORD_TRIM, .length = 0 },
        { .op = RECORD_TRIM, .length = (1u << 31) + 1 },
        { .op = RECORD_TRIM, .flags = RECORD_COPY, .length = 1 },
        { .op = RECORD_DISK, .length = 0 },
        { .op = RECORD_DISK, .length = NAME_LENGTH },
        { .op = RECORD_DISK, .length = 1, .offset = 1ull << 63 },
        { .op = RECORD_DISK, .flags = RECORD_COPY, .length = 1 },
        { .op = RECORD_MARK, .length = NAME_LENGTH },
        { .op = RECORD_MARK, .flags = RECORD_COPY, .length = 1 },
        { .op = RECORD_VERIFY, .length = 0 },
        { .op = RECORD_VERIFY, .length = RECORD_LENGTH + 1 },
        { .op = RECORD_VERIFY, .flags = RECORD_COPY, .length = 1 },
    };
    uint8_t *data = test_malloc(RECORD_LENGTH + 1);

    (void)state;
    memset(data, 'n', RECORD_LENGTH + 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct record r = cases[i];
        struct draft d;
        r.lsn = 2;
        draft_begin(&d, 0, 0);
        draft_add(&d, WRITE(0, 1, 1), data, 1);
        draft_add(&d, &r, data, record_data(&r));
        draft_finish(&d, NULL);
        assert_refused(&d, NULL, -EBADMSG);
        draft_free(&d);
    }
    test_free(data);
}

/* ---- records that do not fit their frame --------------------------------------------- */

static void assert_lsns(uint64_t first, uint64_t second, uint64_t says_first, uint64_t says_last,
                        bool refused)
{
    struct draft d;

    draft_begin(&d, 0, 0);
    draft_add(&d, WRITE(0, 1, first), "a", 1);
    draft_add(&d, WRITE(0, 1, second), "b", 1);
    d.frame.first_lsn = says_first;
    d.frame.last_lsn = says_last;
    draft_finish(&d, NULL);
    if (refused) {
        assert_refused(&d, NULL, -EBADMSG);
    } else {
        struct frame f;
        void *payload;
        assert_int_equal(read_back(d.bytes, d.size, NULL, &f, &payload, NULL), 0);
        free(payload);
    }
    draft_free(&d);
}

static void test_lsns_rise_as_the_header_says(void **state)
{
    (void)state;
    assert_lsns(4, 9, 4, 9, false);
    assert_lsns(4, 9, 3, 9, true);
    assert_lsns(4, 9, 5, 9, true);
    assert_lsns(4, 9, 4, 10, true);
    assert_lsns(4, 9, 4, 8, true);
    assert_lsns(9, 4, 4, 9, true);
    assert_lsns(9, 9, 8, 9, true);
    assert_lsns(4, 4, 4, 5, true);
    assert_lsns(0, 4, 1, 4, true);
}

static void test_data_fits_the_records(void **state)
{
    struct draft d;

    (void)state;
    for (size_t size = 0; size < 12; size++) {
        if (size == 10)
            continue;
        draft_begin(&d, 0, 0);
        draft_add(&d, WRITE(0, 4, 1), "abcd", 4);
        draft_add(&d, WRITE(0, 6, 2), "efghijklmno", size > 4 ? size - 4 : 0);
        d.data_length = size;
        draft_finish(&d, NULL);
        assert_refused(&d, NULL, -EBADMSG);
        draft_free(&d);
    }
    /* a length that would overflow 32 bits when it is added up */
    draft_begin(&d, 0, 0);
    for (uint64_t i = 1; i <= 1025; i++)
        draft_add(&d, WRITE(0, RECORD_LENGTH, i), "", 0);
    draft_finish(&d, NULL);
    assert_refused(&d, NULL, -EBADMSG);
    draft_free(&d);
}

static void test_names_have_no_control_characters(void **state)
{
    static const uint8_t bad[] = { 0, 1, '\n', 0x1b, 0x1f, 0x7f };
    const enum record_op ops[] = { RECORD_DISK, RECORD_MARK };
    struct draft d;
    struct frame f;
    void *payload;

    (void)state;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i <= sizeof(bad); i++) {
            char name[] = "H\xc3\xa4user?";
            draft_begin(&d, 0, 0);
            name[7] = i < sizeof(bad) ? (char)bad[i] : ' ';
            draft_add(&d, &(struct record){ .op = (uint8_t)ops[k], .length = 8, .lsn = 1 }, name,
                      8);
            draft_finish(&d, NULL);
            if (i < sizeof(bad)) {
                assert_refused(&d, NULL, -EBADMSG);
            } else {
                assert_int_equal(read_back(d.bytes, d.size, NULL, &f, &payload, NULL), 0);
                free(payload);
            }
            draft_free(&d);
        }
}

/* ---- compression ------------------------------------------------------------------- */

/* What a bomb or a cut stream would be: it says another length than it has. */
static void test_compression_of_another_length(void **state)
{
    const int differ[] = { -1, 1, 4096, -4096, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof(differ) / sizeof(*differ); i++) {
        struct draft d;
        make_every(&d, FRAME_ZSTD, NULL);
        put32(d.bytes + 100, (uint32_t)((int)d.frame.raw + differ[i]));
        draft_seal(&d);
        assert_refused(&d, NULL, -EBADMSG);
        draft_free(&d);
    }
    /* bytes that are no stream, with the right digest */
    struct draft d;
    make_every(&d, FRAME_ZSTD, NULL);
    memset(d.bytes + FRAME_HEADER, 0x5a, d.frame.stored);
    put64(d.bytes + 112, digest_of(d.bytes + FRAME_HEADER, d.frame.stored));
    draft_seal(&d);
    assert_refused(&d, NULL, -EBADMSG);
    draft_free(&d);
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
        cmocka_unit_test(test_each_damaged_bit_is_refused),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_headers_that_cannot_be),
        cmocka_unit_test(test_records_that_cannot_be),
        cmocka_unit_test(test_lsns_rise_as_the_header_says),
        cmocka_unit_test(test_data_fits_the_records),
        cmocka_unit_test(test_names_have_no_control_characters),
        cmocka_unit_test(test_compression_of_another_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
