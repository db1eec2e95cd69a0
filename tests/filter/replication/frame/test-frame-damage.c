/* test-frame-damage.c - is nothing read as a frame that is none?
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

/* ---- damage ------------------------------------------------------------------ */

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
    draft_every(&d, FRAME_ZSTD, &other_key);
    assert_refused(&d, &key, -EKEYREJECTED);
    draft_free(&d);
    draft_every(&d, FRAME_ZSTD, NULL);
    assert_refused(&d, &key, -EKEYREJECTED);
    draft_free(&d);
    /* another header over the same payload */
    draft_every(&d, FRAME_ZSTD, &key);
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
        { 48, 8, LOG_ROOM, true },
        { 48, 8, UINT64_MAX - FRAME_ALIGN + 1, true },
        { 48, 8, LOG_ROOM - SEGMENT, false },
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

/* ---- records that do not fit their frame ------------------------------------- */

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

/* ---- compression ------------------------------------------------------------- */

/* What a bomb or a cut stream would be: it says another length than it has. */
static void test_compression_of_another_length(void **state)
{
    const int differ[] = { -1, 1, 4096, -4096, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof(differ) / sizeof(*differ); i++) {
        struct draft d;
        draft_every(&d, FRAME_ZSTD, NULL);
        put32(d.bytes + 100, (uint32_t)((int)d.frame.raw + differ[i]));
        draft_seal(&d);
        assert_refused(&d, NULL, -EBADMSG);
        draft_free(&d);
    }
    /* bytes that are no stream, with the right digest */
    struct draft d;
    draft_every(&d, FRAME_ZSTD, NULL);
    memset(d.bytes + FRAME_HEADER, 0x5a, d.frame.stored);
    put64(d.bytes + 112, digest_of(d.bytes + FRAME_HEADER, d.frame.stored));
    draft_seal(&d);
    assert_refused(&d, NULL, -EBADMSG);
    draft_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
