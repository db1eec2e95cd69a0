/* test-block.c - is a block written as its header says, and is anything else garbage?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SLOT = 7, SECTOR = 512, AT_CRC = BLOCK_SIZE - 4 };

static const struct gateway_block sample = {
    .id = { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xaf },
    .name = "north",
    .slot = SLOT,
    .seq = 0x0102030405060708,
    .report = { .shares = 3000,
                .window = 64 * BLOCK_UNIT,
                .in_flight = 63 * BLOCK_UNIT,
                .total = 200 * BLOCK_UNIT,
                .threshold = 5000000,
                .period = 1000000000,
                .ios = 12345,
                .latency_sum = 60000000000,
                .latency_p99 = 9000000,
                .capacity = 20000,
                .units = 23456,
                .load = 3000000,
                .held = 50 * BLOCK_UNIT,
                .backlogged = true,
                .learns = true },
};

static void seal(uint8_t *raw)
{
    uint32_t crc = crc32c(raw, AT_CRC);

    for (int i = 0; i < 4; i++)
        raw[AT_CRC + i] = (uint8_t)(crc >> 8 * i);
}

static void set(uint8_t *raw, size_t at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        raw[at + (size_t)i] = (uint8_t)(value >> 8 * i);
    seal(raw);
}

static void assert_garbage(const uint8_t *raw)
{
    struct gateway_block b = { .seq = 99 }, before = b;

    assert_int_equal(block_get(raw, SLOT, &b), -EBADMSG);
    assert_memory_equal(&b, &before, sizeof b);
}

static void crc_is_castagnolis(void **state)
{
    (void)state;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283); /* RFC 3720's check value */
}

static void what_is_put_is_got(void **state)
{
    uint8_t raw[BLOCK_SIZE];
    struct gateway_block b = { 0 };

    (void)state;
    block_put(raw, &sample);
    assert_int_equal(block_get(raw, SLOT, &b), 0);
    assert_memory_equal(b.id, sample.id, BLOCK_ID);
    assert_string_equal(b.name, sample.name);
    assert_int_equal(b.slot, SLOT);
    assert_int_equal(b.seq, sample.seq);
    assert_memory_equal(&b.report, &sample.report, sizeof b.report);
}

/* The bytes as block.h has them: other versions and other machines read them. */
static void bytes_are_as_documented(void **state)
{
    uint8_t raw[BLOCK_SIZE], want[BLOCK_SIZE] = "WEIRGATE\1\0\0\0\7";

    (void)state;
    memcpy(want + 16, sample.id, BLOCK_ID);
    memcpy(want + 32, "\10\7\6\5\4\3\2\1", 8);
    want[40] = 3;
    set(want, 48, 3000);
    set(want, 56, 64 * 256);
    set(want, 64, 63 * 256);
    set(want, 72, 200 * 256);
    set(want, 80, 5000000);
    set(want, 88, 1000000000);
    set(want, 96, 12345);
    set(want, 104, 60000000000);
    set(want, 112, 9000000);
    set(want, 120, 20000);
    memcpy(want + 128, "north", 5);
    set(want, 192, 23456);
    set(want, 200, 3000000);
    set(want, 208, 50 * 256);
    seal(want);
    block_put(raw, &sample);
    assert_memory_equal(raw, want, BLOCK_SIZE);

    memset(want, 0, BLOCK_SIZE);
    memcpy(want, "WEIRSTAT\1\0\0\0\0\20", 14);
    seal(want);
    block_put_header(raw);
    assert_memory_equal(raw, want, BLOCK_SIZE);
}

static void a_free_slot_is_not_garbage(void **state)
{
    uint8_t raw[BLOCK_SIZE] = { 0 };
    struct gateway_block b;

    (void)state;
    assert_int_equal(block_get(raw, SLOT, &b), -ENOENT);
}

static void a_changed_byte_is_garbage(void **state)
{
    uint8_t raw[BLOCK_SIZE];

    (void)state;
    block_put(raw, &sample);
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        raw[i] ^= 0x10;
        assert_garbage(raw);
        raw[i] ^= 0x10;
    }
}

/* After a power loss or under a reader's eyes: some sectors are new, some old or empty. */
static void a_torn_block_is_garbage(void **state)
{
    uint8_t old[BLOCK_SIZE], new[BLOCK_SIZE], torn[BLOCK_SIZE], empty[BLOCK_SIZE] = { 0 };
    struct gateway_block next = sample;

    (void)state;
    next.seq++;
    block_put(old, &sample);
    block_put(new, &next);
    for (size_t cut = SECTOR; cut < BLOCK_SIZE; cut += SECTOR) {
        const uint8_t *halves[][2] = { { new, old }, { old, new }, { new, empty }, { empty, new } };
        for (size_t i = 0; i < 4; i++) {
            memcpy(torn, halves[i][0], cut);
            memcpy(torn + cut, halves[i][1] + cut, BLOCK_SIZE - cut);
            assert_garbage(torn);
        }
    }
}

static void a_block_of_another_place_or_version_is_garbage(void **state)
{
    uint8_t raw[BLOCK_SIZE];
    struct gateway_block b;

    (void)state;
    block_put(raw, &sample);
    assert_int_equal(block_get(raw, SLOT + 1, &b), -EBADMSG);
    raw[8] = 2;
    seal(raw);
    assert_garbage(raw);
}

static void absurd_figures_are_garbage(void **state)
{
    static const struct {
        size_t at;
        uint64_t value;
    } absurd[] = {
        { 40, 4 },                /* a flag that does not exist */
        { 48, (1ull << 40) + 1 }, /* shares */
        { 56, 0 },                /* window */
        { 56, (1ull << 40) + 1 },
        { 64, (1ull << 40) + 1 },  /* in flight */
        { 72, (1ull << 40) + 1 },  /* total */
        { 80, (1ull << 50) + 1 },  /* threshold */
        { 88, 999999 },            /* period */
        { 88, 60000000001 },       /* period */
        { 96, (1ull << 40) + 1 },  /* I/Os */
        { 104, (1ull << 53) + 1 }, /* sum of latency */
        { 112, UINT64_MAX },       /* p99 */
        { 120, (1ull << 50) + 1 }, /* capacity */
        { 192, (1ull << 50) + 1 }, /* units */
        { 200, (1ull << 50) + 1 }, /* load */
        { 208, (1ull << 40) + 1 }, /* in flight over all the period */
        { 128, 0x0a636261 },       /* a name with a newline */
        { 128, 0xc3 },             /* … that is not ASCII */
    };
    uint8_t raw[BLOCK_SIZE];
    struct gateway_block b;

    (void)state;
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        block_put(raw, &sample);
        set(raw, absurd[i].at, absurd[i].value);
        assert_garbage(raw);
    }
    block_put(raw, &sample);
    memset(raw + 128, 'x', BLOCK_NAME); /* it does not end */
    seal(raw);
    assert_garbage(raw);
    raw[128 + BLOCK_NAME - 1] = 0;
    seal(raw);
    assert_int_equal(block_get(raw, SLOT, &b), 0);
}

/* An own figure out of range must not make the others drop the whole block. */
static void whatever_is_put_is_believed(void **state)
{
    struct gateway_block wild = sample, b;
    uint8_t raw[BLOCK_SIZE];

    (void)state;
    memset(&wild.report, 0xff, sizeof wild.report);
    wild.report.backlogged = wild.report.learns = true;
    memset(wild.name, 0xe4, sizeof wild.name);
    block_put(raw, &wild);
    assert_int_equal(block_get(raw, SLOT, &b), 0);
    assert_int_equal(b.report.shares, 1ull << 40);
    assert_int_equal(b.name[0], '?');
    memset(&wild.report, 0, sizeof wild.report);
    block_put(raw, &wild);
    assert_int_equal(block_get(raw, SLOT, &b), 0);
    assert_int_equal(b.report.window, 1);
}

static void a_header_is_ours_or_it_is_not(void **state)
{
    uint8_t raw[BLOCK_SIZE] = { 0 };
    uint32_t version;

    (void)state;
    assert_int_equal(block_get_header(raw, &version), -ENOENT);
    block_put_header(raw);
    assert_int_equal(block_get_header(raw, &version), 0);
    raw[100] = 1;
    assert_int_equal(block_get_header(raw, &version), -EMEDIUMTYPE);
    raw[8] = 9;
    assert_int_equal(block_get_header(raw, &version), -EPROTONOSUPPORT);
    assert_int_equal(version, 9);
    raw[0] = 'w';
    assert_int_equal(block_get_header(raw, &version), -EMEDIUMTYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_castagnolis),
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(bytes_are_as_documented),
        cmocka_unit_test(a_free_slot_is_not_garbage),
        cmocka_unit_test(a_changed_byte_is_garbage),
        cmocka_unit_test(a_torn_block_is_garbage),
        cmocka_unit_test(a_block_of_another_place_or_version_is_garbage),
        cmocka_unit_test(absurd_figures_are_garbage),
        cmocka_unit_test(whatever_is_put_is_believed),
        cmocka_unit_test(a_header_is_ours_or_it_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
