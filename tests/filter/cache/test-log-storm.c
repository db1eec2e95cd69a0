/* test-log-storm.c - do eight threads append and sync as one would?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"
#include "memory-media.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 8, APPENDS = 250, MOST = THREADS * APPENDS * 4, SYNCS = THREADS * APPENDS };

struct storm {
    struct media *media;
    struct super super;
    struct log *log;
    atomic_int inside; /* seal() and install() come one at a time, and not together */
    pthread_mutex_t lock;
    struct log_entry installed[MOST];
    size_t count, sealed;
    struct synced {
        size_t count, ops; /* so much was installed before; the medium had seen so much after */
    } synced[SYNCS];
    size_t syncs;
    unsigned refused;
};

struct one {
    struct storm *storm;
    unsigned number;
};

static void seal(void *arg, struct log_append *a)
{
    struct storm *s = arg;

    assert_int_equal(atomic_fetch_add(&s->inside, 1), 0);
    s->sealed += a->count;
    atomic_fetch_sub(&s->inside, 1);
}

static void install(void *arg, struct log_append *a)
{
    struct storm *s = arg;

    assert_int_equal(atomic_fetch_add(&s->inside, 1), 0);
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < a->count; i++)
        s->installed[s->count++] = a->entry[i];
    pthread_mutex_unlock(&s->lock);
    *(bool *)a->owner = true;
    atomic_fetch_sub(&s->inside, 1);
}

static void append(struct storm *s, unsigned thread, unsigned n)
{
    uint8_t page[BLOCK];
    const void *pages[4] = { page, page, page, page };
    struct log_entry entry[4];
    bool installed = false;
    struct log_append a = {
        .entry = entry, .count = n % 4 + 1, .page = pages, .owner = &installed
    };

    memset(page, (int)thread, sizeof(page));
    memcpy(page, &n, sizeof(n));
    for (unsigned i = 0; i < a.count; i++) {
        const uint64_t key = block_key(thread, 4 * n + i);
        entry[i] = (struct log_entry){ .key = key,
                                       .type = n % 5 ? ENTRY_DIRTY : ENTRY_DROP,
                                       .crc = n % 5 ? block_crc(key, page) : 0 };
    }
    int r = log_append(s->log, &a);
    assert_true(installed == !r);
    assert_true(r == 0 || r == -EAGAIN);
    if (!r)
        return;
    pthread_mutex_lock(&s->lock);
    s->refused++;
    pthread_mutex_unlock(&s->lock);
}

static void sync_one(struct storm *s)
{
    pthread_mutex_lock(&s->lock);
    const size_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    assert_int_equal(log_sync(s->log), 0);
    pthread_mutex_lock(&s->lock);
    s->synced[s->syncs++] = (struct synced){ count, memory_ops(memory_of(s->media)) };
    pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
    struct one *o = arg;
    struct log_place where;

    for (unsigned i = 0; i < APPENDS; i++) {
        append(o->storm, o->number, i);
        if ((i + o->number) % 9 == 0)
            sync_one(o->storm);
        log_where(o->storm->log, &where);
        assert_true(where.durable_epoch < where.epoch && where.head >= where.tail);
    }
    return NULL;
}

/* ---- what is read -----------------------------------------------------------------------------
 */

struct reader {
    const struct storm *storm;
    size_t count;
};

static int hear(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    struct reader *r = arg;
    const struct log_entry *was = &r->storm->installed[r->count];

    (void)position;
    (void)epoch;
    assert_true(r->count < r->storm->count);
    assert_int_equal(e->key, was->key);
    assert_int_equal(e->type, was->type);
    if (entry_has_page(e->type))
        assert_true(e->place == was->place && e->crc == was->crc);
    r->count++;
    return 0;
}

static int hurt(void *arg, uint64_t position, const char *why)
{
    (void)arg;
    (void)position;
    fail_msg("%s", why);
    return -EIO;
}

static size_t read_back(const struct storm *s, struct media *m)
{
    struct reader r = { s, 0 };
    const struct log_reader reader = { hear, hurt, &r };
    struct log_place end;

    assert_int_equal(log_read(m, &s->super, &reader, &end), 0);
    return r.count;
}

static void begin(struct storm *s, unsigned segments)
{
    const struct log_place place = { .epoch = 1, .sequence = 1 };
    const struct log_user user = { seal, install, s };

    s->media = memory_create(POOL_MIN);
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(super_plan(POOL_MIN, 0.8, &s->super), 0);
    s->super.log_pages = segments * SEGMENT_PAGES;
    assert_int_equal(super_format(s->media, &s->super), 0);
    memory_record(memory_of(s->media));
    s->super.incarnation = 1;
    assert_int_equal(log_create(s->media, &s->super, &place, &user, &s->log), 0);
}

static void storm(struct storm *s, unsigned segments)
{
    struct one one[THREADS];
    pthread_t thread[THREADS];

    begin(s, segments);
    for (unsigned i = 0; i < THREADS; i++) {
        one[i] = (struct one){ s, i };
        assert_int_equal(pthread_create(&thread[i], NULL, run, &one[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void end(struct storm *s)
{
    log_destroy(s->log);
    s->media->close(s->media);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void test_a_storm_is_a_queue(void **state)
{
    struct storm *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    storm(s, 40);
    assert_int_equal(s->refused, 0);
    assert_true(s->count > THREADS * APPENDS && s->count == s->sealed);
    assert_int_equal(read_back(s, s->media), s->count);
    for (size_t i = 0; i < s->syncs; i++) {
        struct media *cut = memory_cut(memory_of(s->media), s->synced[i].ops,
                                       i % 2 ? MEMORY_SYNCED : MEMORY_TORN, i);
        assert_true(read_back(s, cut) >= s->synced[i].count);
        cut->close(cut);
    }
    end(s);
}

static void test_a_storm_ends_where_there_is_no_room(void **state)
{
    struct storm *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    storm(s, 8);
    assert_true(s->refused > 0);
    assert_int_equal(read_back(s, s->media), s->count);
    end(s);
}

/* ---- scripted: who waits shares ----------------------------------------------------------------
 */

struct script {
    struct storm *storm;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum memory_call holds; /* the first such call waits at the gate */
    bool held, open;
    unsigned calls[MEMORY_CALLS];
};

static void gate(void *arg, enum memory_call call, uint64_t offset)
{
    struct script *s = arg;

    (void)offset;
    pthread_mutex_lock(&s->lock);
    s->calls[call]++;
    if (call == s->holds && !s->held) {
        s->held = true;
        pthread_cond_broadcast(&s->changed);
        while (!s->open)
            pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

static void *append_one(void *arg)
{
    struct one *o = arg;

    append(o->storm, o->number, 1); /* two entries, two pages */
    return NULL;
}

static void *sync_thread(void *arg)
{
    sync_one(((struct one *)arg)->storm);
    return NULL;
}

static void wait_held(struct script *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->held)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void let_go(struct script *s)
{
    pthread_mutex_lock(&s->lock);
    s->open = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void script_begin(struct script *s, enum memory_call holds)
{
    *s = (struct script){ .storm = calloc(1, sizeof(*s->storm)), .holds = holds };
    assert_non_null(s->storm);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    begin(s->storm, 8);
    memory_gate(memory_of(s->storm->media), gate, s);
}

/* While a record is written, a sync comes: it waits for that record, though it need not be there
 * for the caller, as it is of the epoch that ends. */
static void test_a_sync_waits_for_the_record_under_way(void **state)
{
    struct script s;
    struct one one[2];
    pthread_t thread[2];
    struct log_place where;

    (void)state;
    script_begin(&s, MEMORY_CALL_WRITE);
    one[0] = one[1] = (struct one){ s.storm, 0 };
    pthread_create(&thread[0], NULL, append_one, &one[0]);
    wait_held(&s);
    pthread_create(&thread[1], NULL, sync_thread, &one[1]);
    do /* it has ended the epoch */
        log_where(s.storm->log, &where);
    while (where.epoch == 1);
    assert_int_equal(where.durable_epoch, 0);
    assert_int_equal(s.calls[MEMORY_CALL_SYNC], 0);
    let_go(&s);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    log_where(s.storm->log, &where);
    assert_int_equal(where.durable_epoch, 1);
    assert_int_equal(s.calls[MEMORY_CALL_SYNC], 1);
    end(s.storm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_storm_is_a_queue),
        cmocka_unit_test(test_a_storm_ends_where_there_is_no_room),
        cmocka_unit_test(test_a_sync_waits_for_the_record_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
