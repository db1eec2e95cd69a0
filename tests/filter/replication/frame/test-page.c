/* test-page.c - do the two sites understand what they say to each other, and refuse the rest?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encode.h"
#include "page.h"
#include "seal.h"
#include "text.h"

#include <errno.h>
#include <string.h>

static const struct frame_key key = { { 9, 8, 7 } }, other_key = { { 9, 8, 6 } };

static void seal(uint8_t *page)
{
    put32(page + PAGE_BYTES - 4, seal_crc(page, PAGE_BYTES - 4));
}

static void fill_lineage(struct lineage *l)
{
    *l = (struct lineage){ 0 };
    lineage_begin(l, 0x51, 0);
    lineage_begin(l, 0x52, 70);
    lineage_begin(l, 0x53, 90);
}

/* Every number another. */
static void fill_status(struct status *s)
{
    *s = (struct status){
        .role = ROLE_PRIMARY,
        .group = { 1, [15] = 2 },
        .source = { 3, [15] = 4 },
        .token = 11,
        .end = 40 * FRAME_ALIGN,
        .last_position = 39 * FRAME_ALIGN,
        .last_digest = 12,
        .received_lsn = 1009,
        .durable_lsn = 1008,
        .complete_lsn = 1007,
        .complete_time = 13,
        .applied_lsn = 1006,
        .trimmed = 8 * FRAME_ALIGN,
        .free = 14,
        .limit = 15,
        .needs = 16,
        .mismatches = 17,
        .verified = 18,
        .oldest_time = 19,
        .points = 20,
        .time = UINT64_MAX,
        .left = 21,
        .disk_bytes = 22,
        .refused = 23,
        .error = "the log is full: raise `limit`",
    };
    fill_lineage(&s->lineage);
}

static void fill_command(struct command *c)
{
    *c = (struct command){
        .op = COMMAND_GENERATION, .group = { 5 }, .source = { [15] = 6 }, .lsn = 2001, .token = 2002
    };
    fill_lineage(&c->lineage);
}

static void assert_lineage(const struct lineage *got)
{
    struct lineage want;

    fill_lineage(&want);
    assert_int_equal(got->count, want.count);
    for (unsigned i = 0; i < want.count; i++) {
        assert_int_equal(got->list[i].id, want.list[i].id);
        if (i)
            assert_int_equal(got->list[i].end, want.list[i].end);
    }
}

static void assert_no_status(uint8_t *page)
{
    struct weir_text why = { 0 };
    struct status s;

    assert_int_equal(status_read(page, &s, &why), -EBADMSG);
    assert_true(strlen(text_string(&why)) > 20);
    text_finish(&why);
}

static void assert_no_command(uint8_t *page, const struct frame_key *k, int error)
{
    struct weir_text why = { 0 };
    struct command c;

    assert_int_equal(command_read(page, k, &c, &why), error);
    assert_true(strlen(text_string(&why)) > 20);
    text_finish(&why);
}

/* ---- status ------------------------------------------------------------------ */

static void test_status_comes_back(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct status in, out;

    (void)state;
    fill_status(&in);
    memset(page, 0xff, sizeof(page));
    status_write(&in, page);
    assert_int_equal(status_read(page, &out, NULL), 0);
    assert_int_equal(out.role, in.role);
    assert_memory_equal(out.group, in.group, 16);
    assert_memory_equal(out.source, in.source, 16);
    assert_lineage(&out.lineage);
    /* the numbers and the sentence lie behind one another, without holes */
    assert_memory_equal(&out.token, &in.token, sizeof(in) - offsetof(struct status, token));
}

/* Where each number stands is a promise to the other site, which may be of another age. */
static void test_layout_of_a_status(void **state)
{
    static const uint64_t number[] = {
        11,
        40 * FRAME_ALIGN,
        39 * FRAME_ALIGN,
        12,
        1009,
        1008,
        1007,
        13,
        1006,
        8 * FRAME_ALIGN,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        UINT64_MAX,
        21,
        22,
        23,
    };
    uint8_t page[PAGE_BYTES];
    struct status s;

    (void)state;
    fill_status(&s);
    status_write(&s, page);
    assert_memory_equal(page, "WEIRSTAT\1\0\0\0\1\0\0\0\1", 17);
    for (size_t i = 0; i < sizeof(number) / sizeof(*number); i++)
        assert_int_equal(get64(page + 48 + i * 8), number[i]);
    assert_int_equal(get32(page + 512), 3);
    assert_memory_equal(page + 1536, s.error, sizeof(s.error));
    assert_int_equal(get32(page + 4092), seal_crc(page, 4092));
}

static void test_a_new_vault_has_a_status(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct status in = { 0 }, out;

    (void)state;
    status_write(&in, page);
    assert_int_equal(status_read(page, &out, NULL), 0);
    assert_int_equal(out.lineage.count, 0);
    assert_string_equal(out.error, "");
}

static void test_the_error_is_one_line_that_ends(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct status in, out;

    (void)state;
    fill_status(&in);
    memset(in.error, 'e', sizeof(in.error)); /* no NUL: not read past */
    in.error[3] = '\n';
    in.error[4] = '\x1b';
    in.error[5] = '\xc3';
    status_write(&in, page);
    assert_int_equal(status_read(page, &out, NULL), 0);
    assert_int_equal(strlen(out.error), sizeof(out.error) - 1);
    assert_memory_equal(out.error,
                        "eee  \xc3"
                        "eee",
                        9);
    page[1536 + 7] = 7;
    seal(page);
    assert_no_status(page);
    memset(page + 1536, 'e', 256);
    seal(page);
    assert_no_status(page);
}

static void test_each_damaged_bit_of_a_status_is_refused(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct status s;

    (void)state;
    fill_status(&s);
    status_write(&s, page);
    for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(status_read(page, &s, NULL), -EBADMSG);
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(status_read(page, &s, NULL), 0);
}

static void bend_status(size_t at, uint64_t value)
{
    uint8_t page[PAGE_BYTES];
    struct status s;

    fill_status(&s);
    status_write(&s, page);
    put64(page + at, value);
    seal(page);
    assert_no_status(page);
}

static void test_statuses_that_cannot_be(void **state)
{
    struct status s = { .last_digest = 1 };
    uint8_t page[PAGE_BYTES];

    (void)state;
    bend_status(8, 2 | 1ull << 32);        /* version */
    bend_status(8, 1 | 2ull << 32);        /* role */
    bend_status(56, 40 * FRAME_ALIGN + 1); /* end */
    bend_status(56, LOG_SIZE);
    bend_status(56, 39 * FRAME_ALIGN); /* where the last frame begins */
    bend_status(64, 5);
    bend_status(80, 1007);              /* received < durable */
    bend_status(88, 1006);              /* durable < complete */
    bend_status(96, 1009);              /* complete > durable */
    bend_status(112, 1010);             /* applied > received */
    bend_status(120, 41 * FRAME_ALIGN); /* trimmed > end */
    bend_status(208, 4096);             /* no errno */
    bend_status(512, GENERATIONS + 1);
    bend_status(520, 0); /* a generation without a name */
    /* nothing was received, and has a digest */
    status_write(&s, page);
    assert_no_status(page);
}

static void test_what_is_no_page(void **state)
{
    uint8_t page[PAGE_BYTES] = { 0 };
    struct status s;
    struct command c;

    (void)state;
    assert_no_status(page);
    assert_no_command(page, NULL, -EBADMSG);
    fill_status(&s);
    status_write(&s, page);
    assert_no_command(page, NULL, -EBADMSG);
    fill_command(&c);
    assert_int_equal(command_write(&c, NULL, page), 0);
    assert_no_status(page);
}

/* ---- commands ---------------------------------------------------------------- */

static void test_commands_come_back(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct command in, out;

    (void)state;
    for (enum command_op op = COMMAND_ACQUIRE; op <= COMMAND_RETURN; op++)
        for (int keyed = 0; keyed < 2; keyed++) {
            const struct frame_key *k = keyed ? &key : NULL;
            fill_command(&in);
            in.op = op;
            memset(page, 0xff, sizeof(page));
            assert_int_equal(command_write(&in, k, page), 0);
            assert_memory_equal(page, "WEIRCMND\1\0\0\0", 12);
            assert_int_equal(command_read(page, k, &out, NULL), 0);
            assert_int_equal(out.op, op);
            assert_memory_equal(out.group, in.group, 16);
            assert_memory_equal(out.source, in.source, 16);
            assert_int_equal(out.lsn, 2001);
            assert_int_equal(out.token, 2002);
            assert_lineage(&out.lineage);
        }
}

static void test_commands_need_the_key(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct command c;

    (void)state;
    fill_command(&c);
    command_write(&c, &other_key, page);
    assert_no_command(page, &key, -EKEYREJECTED);
    command_write(&c, NULL, page);
    assert_no_command(page, &key, -EKEYREJECTED);
    command_write(&c, &key, page);
    assert_int_equal(command_read(page, NULL, &c, NULL), 0);
    put64(page + 56, 4711); /* another token, under the tag of the first */
    seal(page);
    assert_no_command(page, &key, -EKEYREJECTED);
}

static void test_each_damaged_bit_of_a_command_is_refused(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct command c;

    (void)state;
    fill_command(&c);
    command_write(&c, &key, page);
    for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(command_read(page, &key, &c, NULL), -EBADMSG);
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* with a checksum that is right the tag tells, wherever it was changed */
    for (size_t at = 16; at < PAGE_BYTES - 4; at++) {
        page[at] ^= 1;
        seal(page);
        assert_int_equal(command_read(page, &key, &c, NULL), -EKEYREJECTED);
        page[at] ^= 1;
    }
    seal(page);
    assert_int_equal(command_read(page, &key, &c, NULL), 0);
}

static void test_commands_that_cannot_be(void **state)
{
    uint8_t page[PAGE_BYTES];
    struct command c;

    (void)state;
    for (int which = 0; which < 6; which++) {
        fill_command(&c);
        if (which == 0)
            c.op = 0;
        else if (which == 1)
            c.op = COMMAND_RETURN + 1;
        else if (which == 2)
            memset(c.group, 0, sizeof(c.group));
        else if (which == 3)
            memset(c.source, 0, sizeof(c.source));
        else if (which == 4)
            c.lineage.count = 0;
        else
            c.lineage.list[2].end = 91;
        command_write(&c, NULL, page);
        assert_no_command(page, NULL, -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_comes_back),
        cmocka_unit_test(test_layout_of_a_status),
        cmocka_unit_test(test_a_new_vault_has_a_status),
        cmocka_unit_test(test_the_error_is_one_line_that_ends),
        cmocka_unit_test(test_each_damaged_bit_of_a_status_is_refused),
        cmocka_unit_test(test_statuses_that_cannot_be),
        cmocka_unit_test(test_what_is_no_page),
        cmocka_unit_test(test_commands_come_back),
        cmocka_unit_test(test_commands_need_the_key),
        cmocka_unit_test(test_each_damaged_bit_of_a_command_is_refused),
        cmocka_unit_test(test_commands_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
