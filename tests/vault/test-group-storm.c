/* test-group-storm.c - does a group keep its order when many send at once?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group-rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, GRAN = 64 * K };
enum { FRAMES = 300, SENDERS = 8 };

struct storm {
    struct group_rig *rig;
    struct sent sent[FRAMES];
    _Atomic unsigned next;
    _Atomic int failed;
};

static void *send_next(void *arg)
{
    struct storm *s = arg;

    for (unsigned i; (i = s->next++) < FRAMES;) {
        const struct sent *f = &s->sent[i];
        if (group_receive(s->rig->group, f->position, f->bytes, f->size, i % 3 == 0))
            s->failed++;
    }
    return NULL;
}

static void *look_on(void *arg)
{
    struct storm *s = arg;
    struct status said;
    uint64_t before = 0;

    while (s->next < FRAMES) {
        group_status(s->rig->group, &said);
        if (said.complete_lsn < before || said.complete_lsn > said.durable_lsn ||
            said.durable_lsn > said.received_lsn || said.applied_lsn > said.complete_lsn)
            s->failed++;
        before = said.complete_lsn;
        usleep(500);
    }
    return NULL;
}

/* Frames in any order by many connections, sets among them. */
static void test_storm(void **state)
{
    (void)state;
    struct group_rig rig;
    struct storm s = { .rig = &rig };
    pthread_t thread[SENDERS + 1];

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    for (unsigned i = 0; i < FRAMES; i++)
        s.sent[i] = source_frame(&rig.source, i % 7 < 3 && i + 1 < FRAMES ? FRAME_PART : 0,
                                 i % 32 * 32 * K, 32 * K, (int)i);
    for (unsigned i = 0; i <= SENDERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, i < SENDERS ? send_next : look_on, &s),
                         0);
    for (unsigned i = 0; i <= SENDERS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(s.failed, 0);
    rig_wait_applied(&rig, FRAMES + 2);
    for (unsigned i = FRAMES - 32; i < FRAMES; i++)
        rig_expect_head(&rig, i % 32 * 32 * K, 32 * K, (uint8_t)i);
    for (unsigned i = 0; i < FRAMES; i++)
        free(s.sent[i].bytes);
    group_rig_finish(&rig);
}

/* While they send, the target is promoted: no frame comes after that, and none is half there. */
static void test_promoted_in_a_storm(void **state)
{
    (void)state;
    struct group_rig rig;
    struct storm s = { .rig = &rig };
    pthread_t thread[SENDERS];

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    for (unsigned i = 0; i < FRAMES; i++)
        s.sent[i] = source_frame(&rig.source, 0, 0, GRAN, (int)i);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, send_next, &s), 0);
    while (s.next < FRAMES / 3)
        usleep(100);
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), 0);
    const struct status at = rig_status(&rig);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(rig_status(&rig).received_lsn, at.received_lsn);
    assert_int_equal(at.received_lsn, at.complete_lsn);
    assert_int_equal(at.lineage.list[1].end, at.complete_lsn);
    rig_expect_head(&rig, 0, GRAN, (uint8_t)(at.complete_lsn - 3));
    for (unsigned i = 0; i < FRAMES; i++)
        free(s.sent[i].bytes);
    group_rig_finish(&rig);
}

enum { ASKS = 10000 };

struct asking {
    struct group_rig *rig;
    _Atomic unsigned asked, refused;
};

static void *ask_on(void *arg)
{
    struct asking *a = arg;

    while (a->asked < ASKS) {
        a->refused += rig_command(a->rig, COMMAND_ACQUIRE, a->rig->source.lsn) == -EPERM;
        a->asked++;
    }
    return NULL;
}

/* A source that does not know yet asks again and again: the disk can be opened all the same. */
static void test_a_promoted_disk_is_opened_while_its_source_asks(void **state)
{
    (void)state;
    struct group_rig rig;
    struct asking a = { .rig = &rig };
    pthread_t source;
    struct head *head;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), 0);
    assert_int_equal(pthread_create(&source, NULL, ask_on, &a), 0);
    while (a.asked < ASKS) {
        assert_int_equal(head_open(rig.group, 0, &head, NULL), 0);
        head_close(head);
    }
    pthread_join(source, NULL);
    assert_int_equal(a.refused, ASKS);
    group_rig_finish(&rig);
}

enum { LIVES = 40 };

struct looking {
    struct group_rig *rig;
    _Atomic unsigned life, seen;
    _Atomic int failed;
};

static int look_once(struct looking *l, uint8_t data[GRAN])
{
    struct weir_request req = { .op = WEIR_READ, .length = GRAN, .data = data };
    struct view *view;
    int r = view_open(l->rig->group, 0, "latest", NULL, false, &view, NULL);

    if (r)
        return r;
    l->failed += view_serve(view, &req) != 0;
    view_close(view);
    return 0;
}

static void *look_again(void *arg)
{
    struct looking *l = arg;
    uint8_t data[GRAN];

    while (l->life < LIVES) {
        int r = look_once(l, data);
        if (r == -ENOENT)
            continue; /* there is no complete state, or no disk */
        l->failed += r != 0;
        for (unsigned i = 1; !r && i < GRAN; i++)
            l->failed += data[i] != data[0];
        l->seen += !r;
    }
    return NULL;
}

/* What is looked at is not given up meanwhile, and what is given up cannot be looked at. */
static void test_looked_at_while_sources_begin_anew(void **state)
{
    (void)state;
    struct group_rig rig;
    struct looking l = { .rig = &rig };
    pthread_t reader;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(pthread_create(&reader, NULL, look_again, &l), 0);
    while (l.life < LIVES) {
        const unsigned before = l.seen;
        while (l.seen == before && !l.failed)
            usleep(100);
        assert_int_equal(l.failed, 0);
        rig.lineage.list[0].id = rig.source.generation = 100 + l.life;
        memset(rig.source.group, 0x20 + (int)l.life, sizeof(rig.source.group));
        rig.source.lsn = 0;
        assert_int_equal(group_accept(rig.group, NULL, NULL), 0);
        while (rig_acquire(&rig)) /* while it is looked at */
            ;
        rig_first_copy(&rig, M, 2 + (int)l.life);
        l.life++;
    }
    pthread_join(reader, NULL);
    assert_int_equal(l.failed, 0);
    group_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_promoted_in_a_storm),
        cmocka_unit_test(test_a_promoted_disk_is_opened_while_its_source_asks),
        cmocka_unit_test(test_looked_at_while_sources_begin_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
