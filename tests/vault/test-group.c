/* test-group.c - does a group do what source and administrator ask of it, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group-rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

enum { K = 1024, M = 1024 * K, GRAN = 64 * K };

static int promote(struct group_rig *rig, const char *point)
{
    struct weir_text answer = { 0 }, why = { 0 };

    int r = group_promote(rig->group, point ? PROMOTE_POINT : PROMOTE_LATEST, point, false, &answer,
                          &why);
    assert_true((r == 0) == (answer.length != 0));
    assert_true((r == 0) == (why.length == 0));
    text_finish(&answer);
    text_finish(&why);
    return r;
}

static int demote(struct group_rig *rig, bool discard)
{
    struct weir_text answer = { 0 }, why = { 0 };

    int r = group_demote(rig->group, discard, false, &answer, &why);
    assert_true((r == 0) == (answer.length != 0));
    assert_true((r == 0) == (why.length == 0));
    text_finish(&answer);
    text_finish(&why);
    return r;
}

/* ---- frames to heads ------------------------------------------------------------------------- */

static void test_first_copy(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    assert_int_equal(rig_status(&rig).lineage.count, 0);
    rig_first_copy(&rig, M, 1);
    const struct status s = rig_status(&rig);
    assert_int_equal(s.complete_lsn, 2);
    assert_int_equal(s.lineage.count, 1);
    rig_expect_head(&rig, 0, GRAN, 1);
    rig_expect_head(&rig, GRAN, M - GRAN, 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, 4 * K, 2), false), 0);
    rig_wait_applied(&rig, 3);
    rig_expect_head(&rig, GRAN, 4 * K, 2);
    group_rig_again(&rig);
    rig_expect_head(&rig, 0, GRAN, 1);
    rig_expect_head(&rig, GRAN, 4 * K, 2);
    assert_int_equal(rig_status(&rig).complete_lsn, 3);
    group_rig_finish(&rig);
}

/* Nothing of a set is in a head before its last frame is there. */
static void test_set(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            group_send(&rig, source_frame(&rig.source, FRAME_PART, 0, 4 * K, 5 + i), true), 0);
    group_rig_again(&rig);
    assert_int_equal(rig_status(&rig).received_lsn, 5);
    assert_int_equal(rig_status(&rig).complete_lsn, 2);
    rig_expect_head(&rig, 0, GRAN, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 8 * K, 4 * K, 9), false), 0);
    rig_wait_applied(&rig, 6);
    rig_expect_head(&rig, 0, 4 * K, 7);
    rig_expect_head(&rig, 4 * K, 4 * K, 1);
    rig_expect_head(&rig, 8 * K, 4 * K, 9);
    group_rig_finish(&rig);
}

/* ---- failover and back --------------------------------------------------------------------------
 */

static int head_write(struct head *h, uint64_t offset, size_t length, int byte)
{
    char *data = malloc(length);
    struct weir_request req = {
        .op = WEIR_WRITE, .offset = offset, .length = length, .data = data
    };

    memset(data, byte, length);
    int r = head_serve(h, &req);
    free(data);
    return r;
}

static void test_failover(void **state)
{
    (void)state;
    struct group_rig rig;
    struct head *head;
    uint8_t bits[2];

    group_rig_init(&rig);
    assert_int_equal(promote(&rig, NULL), -EPERM); /* there is nothing */
    rig_first_copy(&rig, M, 1);
    assert_int_equal(head_open(rig.group, 0, &head, NULL), -EROFS);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, FRAME_PART, 0, 4 * K, 9), true), 0);
    assert_int_equal(promote(&rig, NULL), 0);
    const struct status s = rig_status(&rig);
    assert_int_equal(s.role, ROLE_PRIMARY);
    assert_int_equal(s.received_lsn, 2); /* the set that was not complete is gone */
    assert_int_equal(s.lineage.count, 2);
    assert_int_equal(s.lineage.list[1].end, 2);
    assert_int_equal(s.token, rig.source.token + 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 9), false), -EPERM);
    assert_int_equal(rig_acquire(&rig), -EPERM);
    assert_int_equal(head_open(rig.group, 0, &head, NULL), 0);
    assert_int_equal(head_write(head, 3 * GRAN, 4 * K, 4), 0);
    assert_int_equal(demote(&rig, true), -EBUSY); /* it is served */
    head_close(head);
    group_rig_again(&rig);
    rig_expect_head(&rig, 3 * GRAN, 4 * K, 4);
    assert_int_equal(demote(&rig, false), -EPERM);
    assert_int_equal(demote(&rig, true), 0);
    group_rig_again(&rig);
    assert_int_equal(group_needs(rig.group, 0, bits, sizeof(bits), 0), 0);
    assert_int_equal(bits[0], 1 << 3);
    assert_int_equal(rig_status(&rig).lineage.count, 1);
    /* the source goes on from where it was promoted, and sends what is needed */
    rig.source.lsn = 3; /* one of them was lost here */
    assert_int_equal(rig_acquire(&rig), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, FRAME_PART, 0, 4 * K, 9), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 3 * GRAN, GRAN, 0), true), 0);
    rig_wait_applied(&rig, 5);
    assert_int_equal(rig_status(&rig).needs, 0);
    rig_expect_head(&rig, 3 * GRAN, GRAN, 0);
    assert_false(rig.group->record.unsettled);
    group_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_copy),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_failover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
