/* test-group-promote.c - who may write to a group, and what is there when that changes?
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

static void test_promote_point(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    source_begin(&rig.source, 0);
    source_mark(&rig.source, "before");
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    rig_wait_applied(&rig, 4);
    assert_int_equal(promote(&rig, "rp:never"), -ENOENT);
    assert_int_equal(promote(&rig, "rp:before"), 0);
    assert_int_equal(rig_status(&rig).lineage.list[1].end, 3);
    group_rig_again(&rig);
    rig_expect_head(&rig, 0, GRAN, 1);
    assert_int_equal(demote(&rig, false), 0); /* nothing was written here */
    rig_expect_head(&rig, 0, 4 * K, 2);       /* and what was set aside is its past again */
    assert_int_equal(rig_acquire(&rig), 0);
    assert_int_equal(rig_status(&rig).received_lsn, 4);
    group_rig_finish(&rig);
}

/* A head that takes no zeroes. */
struct failing {
    struct medium_file file, *head;
};

static int write_head(struct medium_file *file, const struct iovec *iov, int count, uint64_t offset)
{
    struct medium_file *head = ((struct failing *)file)->head;

    return head->write(head, iov, count, offset);
}

static int zero_fails(struct medium_file *file, uint64_t length, uint64_t offset)
{
    (void)file;
    (void)length;
    (void)offset;
    return -EIO;
}

static int sync_head(struct medium_file *file)
{
    return file_sync(((struct failing *)file)->head);
}

static void give_head(struct group_rig *rig, struct medium_file *head)
{
    pthread_mutex_lock(&rig->group->turn);
    rig->group->disks[0].head = head;
    pthread_mutex_unlock(&rig->group->turn);
}

/* What a promotion to a point has set back before it failed is brought back by the next one. */
static void test_promote_point_that_failed(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    source_begin(&rig.source, 0);
    source_mark(&rig.source, "before");
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 4 * GRAN, 4 * K, 2), true), 0);
    rig_wait_applied(&rig, 5);
    struct failing failing = { .head = rig.group->disks[0].head };
    failing.file =
        (struct medium_file){ .write = write_head, .zero = zero_fails, .sync = sync_head };
    give_head(&rig, &failing.file);
    assert_int_equal(promote(&rig, "rp:before"), -EIO);
    give_head(&rig, failing.head);
    rig_expect_head(&rig, 0, 4 * K, 1); /* it has begun */
    assert_int_equal(promote(&rig, NULL), 0);
    rig_expect_head(&rig, 0, 4 * K, 2);
    rig_expect_head(&rig, 4 * GRAN, 4 * K, 2);
    group_rig_finish(&rig);
}

/* ---- who may write --------------------------------------------------------------------------- */

/* A frame with a token that is not the present one is refused, from the reply on. */
static void test_token(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    struct source old = rig.source;
    struct sent late = source_frame(&old, 0, 0, 4 * K, 5);
    assert_int_equal(rig_acquire(&rig), 0);
    assert_int_equal(rig.source.token, old.token + 1);
    assert_int_equal(group_send(&rig, late, false), -EPERM);
    group_rig_again(&rig); /* it was durable */
    assert_int_equal(rig_status(&rig).token, old.token + 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    rig.source.generation = 8; /* nobody has told of it */
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), -EPERM);
    rig.source.generation = 7;
    group_rig_finish(&rig);
}

/* Who has another past is refused, until an operator accepts that all is given up. */
/* Between the source's look and its ACQUIRE the group may be promoted, written and demoted. */
static void test_what_was_looked_at_is_acquired(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    rig.source.token = rig_status(&rig).token;
    assert_int_equal(promote(&rig, NULL), 0);
    assert_int_equal(demote(&rig, true), 0);
    const struct status before = rig_status(&rig);
    assert_int_equal(rig_command(&rig, COMMAND_ACQUIRE, rig.source.lsn), -EIO);
    const struct status after = rig_status(&rig);
    assert_int_equal(after.token, before.token);
    assert_string_equal(after.error, "");
    assert_int_equal(rig_acquire(&rig), 0);
    /* and one that comes late is not taken for the next */
    rig.source.token = before.token;
    assert_int_equal(rig_command(&rig, COMMAND_ACQUIRE, rig.source.lsn), -EIO);
    group_rig_finish(&rig);
}

static void test_unrelated(void **state)
{
    (void)state;
    struct group_rig rig;
    struct weir_text answer = { 0 };

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    rig.lineage.list[0].id = 99;
    assert_int_equal(rig_acquire(&rig), -EPERM);
    assert_string_not_equal(rig_status(&rig).error, "");
    rig.lineage.list[0].id = 7;
    assert_int_equal(rig_acquire(&rig), 0);
    assert_string_equal(rig_status(&rig).error, "");
    memset(rig.source.group, 0x99, sizeof(rig.source.group));
    rig.lineage.list[0].id = rig.source.generation = 99;
    assert_int_equal(rig_acquire(&rig), -EPERM);
    assert_int_equal(group_accept(rig.group, &answer, NULL), 0);
    text_finish(&answer);
    group_rig_again(&rig);
    assert_int_equal(rig_status(&rig).complete_lsn, 2); /* nothing is given up yet */
    assert_true(group_accepts(rig.group));
    assert_int_equal(rig_acquire(&rig), 0);
    assert_false(group_accepts(rig.group));
    const struct status s = rig_status(&rig);
    assert_int_equal(s.complete_lsn, 0);
    assert_int_equal(s.end % SEGMENT, 0);
    assert_int_equal(s.last_digest, 0);
    rig.source.lsn = 0;
    rig_first_copy(&rig, M, 3);
    rig_expect_head(&rig, 0, GRAN, 3);
    rig_expect_head(&rig, GRAN, M - GRAN, 0);
    rig.source.lsn = 2;
    group_rig_again(&rig);
    rig_expect_head(&rig, 0, GRAN, 3);
    memset(rig.source.group, 0x17, sizeof(rig.source.group)); /* what was accepted was one time */
    assert_int_equal(rig_acquire(&rig), -EPERM);
    group_rig_finish(&rig);
}

/* A generation that the source has begun since is followed, and one that it has left is a fork. */
static void test_generations(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    const struct lineage old = rig.lineage;
    lineage_begin(&rig.lineage, 8, 2);
    assert_int_equal(rig_command(&rig, COMMAND_GENERATION, rig.source.lsn), 0);
    assert_int_equal(rig_status(&rig).lineage.list[0].id, 7); /* nothing of it is here */
    rig.source.generation = 8;
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    assert_int_equal(rig_status(&rig).lineage.list[0].id, 8);
    rig.lineage = old;
    rig.source.lsn = 5;
    assert_int_equal(rig_acquire(&rig), -EPERM);
    group_rig_finish(&rig);
}

static void test_handover(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(rig_command(&rig, COMMAND_HANDOVER, 3), -EIO); /* not there yet */
    assert_int_equal(rig_status(&rig).role, ROLE_TARGET);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, 4 * K, 2), false), 0);
    assert_int_equal(rig_command(&rig, COMMAND_HANDOVER, 3), 0);
    assert_int_equal(rig_status(&rig).role, ROLE_PRIMARY);
    assert_int_equal(rig_status(&rig).lineage.list[1].end, 3);
    rig_expect_head(&rig, GRAN, 4 * K, 2);
    assert_int_equal(rig_command(&rig, COMMAND_HANDOVER, 3), -EPERM); /* the token is gone */
    group_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_what_was_looked_at_is_acquired),
        cmocka_unit_test(test_unrelated),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_handover),
        cmocka_unit_test(test_promote_point),
        cmocka_unit_test(test_promote_point_that_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
