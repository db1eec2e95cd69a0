/* test-group.c - does a group do what source and administrator ask of it, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group-rig.h"
#include "medium-memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* ---- points, verify, room ---------------------------------------------------------------------
 */

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

/* A VERIFY looks at what a head holds at its own LSN. */
static void test_verify(void **state)
{
    (void)state;
    struct group_rig rig;
    char right[GRAN], wrong = 9;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    memset(right, 1, sizeof(right));
    source_begin(&rig.source, 0);
    source_verify(&rig.source, 0, 0, GRAN, digest_of(right, GRAN));
    source_write(&rig.source, 0, 0, &wrong, 1);
    source_verify(&rig.source, 0, GRAN, GRAN, 0);
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    rig_wait_applied(&rig, 5);
    struct status s = rig_status(&rig);
    assert_int_equal(s.verified, 2);
    assert_int_equal(s.mismatches, 1);
    assert_int_equal(s.needs, 1);
    group_rig_again(&rig);
    assert_int_equal(rig_status(&rig).needs, 1);
    assert_int_equal(rig_status(&rig).mismatches, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN / 2, 5), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN, 5), true), 0);
    rig_wait_applied(&rig, 7);
    assert_int_equal(rig_status(&rig).needs, 0);
    group_rig_finish(&rig);
}

/* A first copy that is larger than the log may be goes to head and base as it comes. */
static void test_copy_larger_than_log(void **state)
{
    (void)state;
    const uint64_t size = 180 * (uint64_t)M;
    struct group_rig rig;
    char *data = calloc(1, 4 * M);

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.limit = 140 * (uint64_t)M;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    assert_int_equal(rig_acquire(&rig), 0);
    for (uint64_t at = 0; at < size; at += 4 * M) {
        memset(data, (int)(1 + at / M), 4 * M);
        source_begin(&rig.source, at + 4 * M < size ? FRAME_PART : 0);
        if (!at)
            source_disk(&rig.source, 0, "vm", size);
        source_write(&rig.source, 0, at, data, 4 * M);
        struct sent sent = source_finish(&rig.source);
        int r;
        while ((r = group_receive(rig.group, sent.position, sent.bytes, sent.size, false)) ==
               -ENOSPC)
            usleep(10000); /* until the log was trimmed */
        assert_int_equal(r, 0);
        free(sent.bytes);
    }
    rig_wait_applied(&rig, rig.source.lsn);
    assert_string_equal(rig_status(&rig).error, "");
    assert_int_equal(rig_status(&rig).complete_lsn, rig.source.lsn);
    for (uint64_t at = 0; at < size; at += 4 * M)
        rig_expect_head(&rig, at, 512, (uint8_t)(1 + at / M));
    assert_int_equal(file_read(rig.group->disks[0].base, data, 512, size - 512), 0);
    assert_int_equal((uint8_t)data[0], (uint8_t)(1 + (size - 4 * M) / M));
    free(data);
    group_rig_finish(&rig);
}

/* A full log is an answer, and is over when there is room. */
static void test_full(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    group_put(rig.group);
    rig.config.limit = 128 * K;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    struct sent sent = source_frame(&rig.source, 0, 0, GRAN, 2);
    assert_int_equal(group_receive(rig.group, sent.position, sent.bytes, sent.size, true), -ENOSPC);
    assert_string_not_equal(rig_status(&rig).error, "");
    group_put(rig.group);
    rig.config.limit = 0;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    assert_int_equal(group_send(&rig, sent, true), 0);
    group_rig_finish(&rig);
}

/* A record that cannot be is refused with a sentence, and what came before stays. */
static void test_beyond_the_end(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, M - 2 * K, 4 * K, 2), false), 0);
    while (!*rig_status(&rig).error)
        usleep(1000);
    assert_non_null(strstr(rig_status(&rig).error, "beyond the end"));
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    group_rig_again(&rig);
    assert_non_null(strstr(rig_status(&rig).error, "beyond the end"));
    assert_int_equal(rig_status(&rig).received_lsn, 4);
    assert_int_equal(rig_status(&rig).applied_lsn, 2);
    rig_expect_head(&rig, 0, 4 * K, 1);
    group_rig_finish(&rig);
}

static void make_image(const struct group_rig *rig, const char *name, uint64_t size)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/images/%s", rig->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)size), 0);
    fclose(f);
}

static void remove_image(const struct group_rig *rig, const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/images/%s", rig->folder, name);
    assert_int_equal(unlink(path), 0);
}

static void wait_error(struct group_rig *rig, const char *words)
{
    while (!strstr(rig_status(rig).error, words))
        usleep(1000);
}

/* Somebody's larger image is where a second disk's head is to be: nothing else stops, neither
 * frames nor a source that comes again, nor points; a restart changes nothing; when the image is
 * gone all goes on, and a VERIFY that was looked at already finds no difference by that. */
static void test_refused_until_the_reason_is_gone(void **state)
{
    (void)state;
    struct group_rig rig;
    struct view *view;
    char path[200], ones[GRAN];

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.heads = "images";
    snprintf(path, sizeof(path), "%s/images", rig.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    make_image(&rig, "vm2.raw", 2 * M);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    rig_first_copy(&rig, M, 1);
    memset(ones, 1, sizeof(ones));
    source_begin(&rig.source, 0);
    source_verify(&rig.source, 0, 0, GRAN, digest_of(ones, GRAN));
    source_write(&rig.source, 0, 0, "new", 3);
    source_disk(&rig.source, 1, "vm2", M);
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    wait_error(&rig, "move the file away");
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), -EBADMSG);
    group_rig_again(&rig);
    wait_error(&rig, "move the file away");
    assert_int_equal(rig_acquire(&rig), 0);
    wait_error(&rig, "move the file away");
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN, 2), true), 0);
    assert_int_equal(rig_status(&rig).complete_lsn, 2);
    assert_int_equal(view_open(rig.group, 0, "latest", NULL, false, &view, NULL), 0);
    view_close(view);
    remove_image(&rig, "vm2.raw");
    while (rig_status(&rig).applied_lsn < 6)
        usleep(1000);
    assert_string_equal(rig_status(&rig).error, "");
    assert_int_equal(rig_status(&rig).mismatches, 0);
    rig_expect_head(&rig, GRAN, GRAN, 2);
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), 0);
    group_rig_finish(&rig);
}

/* The record cannot be saved for a while: that is said, and is over when it can be. */
static void test_without_room_for_the_record(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    group_put(rig.group);
    struct memory *memory = memory_create();
    struct group_setup setup = { .config = &rig.config, .name = "g" };
    setup.medium = setup.heads = setup.scratch = memory_medium(memory, "group");
    assert_int_equal(group_open(&setup, &rig.group, NULL), 0);
    assert_int_equal(rig_acquire(&rig), 0);
    rig_first_copy(&rig, M, 1);
    /* behind this one the first state has been saved, which its frame would wait for */
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, GRAN, 2), true), 0);
    rig_wait_applied(&rig, 3);
    memory_fail(memory, MEMORY_CALL_WRITE, "group.new", 0, 1, ENOSPC);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, GRAN, 2), true), 0);
    wait_error(&rig, "cannot be made durable: No space left");
    while (*rig_status(&rig).error)
        usleep(1000);
    assert_int_equal(rig_status(&rig).applied_lsn, 4);
    group_close(rig.group);
    memory_destroy(memory);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    group_rig_finish(&rig);
}

/* Heads in a folder of images: a file that was there is not taken for empty. */
static void test_heads_elsewhere(void **state)
{
    (void)state;
    struct group_rig rig;
    char path[200];

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.heads = "images";
    snprintf(path, sizeof(path), "%s/images", rig.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/images/vm.raw", rig.folder);
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite("old", 1, 3, f), 3);
    fclose(f);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(rig_status(&rig).needs, M / GRAN - 1); /* all that was not sent */
    group_rig_finish(&rig);
}

/* All who name a group have one object; another process has none. */
static void test_shared(void **state)
{
    (void)state;
    struct group_rig rig;
    struct group *again, *other;

    group_rig_init(&rig);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &again, NULL), 0);
    assert_ptr_equal(again, rig.group);
    assert_int_equal(group_get(&rig.config, rig.folder, "h", &other, NULL), 0);
    assert_ptr_not_equal(other, rig.group);
    group_put(other);
    group_put(again);
    assert_int_equal(rig_acquire(&rig), 0);
    group_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_copy),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_what_was_looked_at_is_acquired),
        cmocka_unit_test(test_unrelated),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_handover),
        cmocka_unit_test(test_promote_point),
        cmocka_unit_test(test_promote_point_that_failed),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_copy_larger_than_log),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_beyond_the_end),
        cmocka_unit_test(test_refused_until_the_reason_is_gone),
        cmocka_unit_test(test_without_room_for_the_record),
        cmocka_unit_test(test_heads_elsewhere),
        cmocka_unit_test(test_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
