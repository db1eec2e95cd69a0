/* test-link.c - is all that a target needs of a disk asked for, however large the disk is?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a wire, behind which the bitmap of disk 3 is a pattern -----------------------------------
 */

enum { DISK = 3, LARGEST = 1 << 16 };
static uint64_t asked, breaks_at;

static uint8_t pattern(uint64_t byte)
{
    return (uint8_t)(byte * 251 >> 3);
}

int wire_run(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset, bool fua)
{
    const uint64_t at = offset - NEEDS_AT - DISK * NEEDS_ROOM;
    uint8_t *out = data;

    (void)w;
    (void)fua;
    assert_int_equal(op, WIRE_READ);
    assert_int_equal(at, asked);
    assert_in_range(length, 1, LARGEST);
    asked += length;
    if (asked > breaks_at)
        return -ETIMEDOUT;
    for (size_t i = 0; i < length; i++)
        out[i] = pattern(at + i);
    return 0;
}

int wire_start(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset,
               bool fua, void (*done)(void *arg, int error), void *arg)
{
    (void)w;
    (void)op;
    (void)data;
    (void)length;
    (void)offset;
    (void)fua;
    (void)done;
    (void)arg;
    return -ENOTSUP;
}

void why_print(char why[WHY], const char *format, ...)
{
    (void)why;
    (void)format;
}

const struct link_type link_vault = { 0 }, link_plain = { 0 };

/* ---- the tests --------------------------------------------------------------------------------
 */

static void test_needs_are_read_in_pieces(void **state)
{
    static const struct {
        uint64_t size, bytes;
    } cases[] = {
        { 1, 1 },
        { 8 * 65536, 1 },
        { 8 * 65536 + 1, 2 },
        { 32ull << 30, 65536 },
        { (32ull << 30) + 512, 65537 },
        { (100ull << 30) + 65536, 204801 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct link link = { .type = &link_vault };
        uint8_t *bits = NULL;
        size_t bytes = 0;

        asked = 0;
        breaks_at = UINT64_MAX;
        assert_int_equal(link_needs(&link, DISK, cases[i].size, &bits, &bytes), 0);
        assert_int_equal(bytes, cases[i].bytes);
        assert_int_equal(asked, cases[i].bytes);
        for (size_t n = 0; n < bytes; n++)
            assert_int_equal(bits[n], pattern(n));
        free(bits);
    }
}

static void test_half_of_the_needs_is_none(void **state)
{
    struct link link = { .type = &link_vault };
    uint8_t *bits = NULL;
    size_t bytes = 0;

    (void)state;
    asked = 0;
    breaks_at = 100000;
    assert_int_equal(link_needs(&link, DISK, 100ull << 30, &bits, &bytes), -ETIMEDOUT);
    assert_null(bits);
    assert_int_equal(bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs_are_read_in_pieces),
        cmocka_unit_test(test_half_of_the_needs_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
