/* crowd.c - how does a test have ten thousand requests under way at once?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

struct one {
    struct crowd *crowd;
    struct ask ask;
    struct one *next;
};

struct crowd {
    unsigned count;
    atomic_bool again; /* who is answered asks again */
    _Atomic unsigned answered, failed;
    struct one one[];
};

int rig_ask(const struct ask *a)
{
    static uint8_t data[32 * MIB]; /* nobody looks at the bytes */
    struct weir_request req = { .op = a->op,
                                .flags = a->flags,
                                .offset = a->offset,
                                .length = a->op == WEIR_FLUSH ? 0 : a->length,
                                .data = a->op <= WEIR_WRITE ? data : NULL };

    if (a->op != WEIR_EXTENTS)
        return export_serve(rig_export(a->disk), &req);
    req.data = weir_extents_create();
    if (!req.data)
        return ENOMEM;
    int error = export_serve(rig_export(a->disk), &req);
    weir_extents_destroy(req.data);
    return error;
}

/* ---- threads, which stay for the next test ------------------------------------ */

static struct {
    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t more;
    struct one *first, **last;
    unsigned threads, taken; /* taken: of requests that are under way or come next */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .more = PTHREAD_COND_INITIALIZER,
           .last = &pool.first };

static struct one *next_one(void)
{
    struct one *one;

    pthread_mutex_lock(&pool.lock);
    while (!pool.first)
        pthread_cond_wait(&pool.more, &pool.lock);
    one = pool.first;
    pool.first = one->next;
    if (!pool.first)
        pool.last = &pool.first;
    pthread_mutex_unlock(&pool.lock);
    return one;
}

static void *run(void *argument)
{
    for (;;) {
        struct one *one = next_one();
        struct crowd *crowd = one->crowd;
        bool failed;
        do
            failed = rig_ask(&one->ask) != 0;
        while (!failed && atomic_load(&crowd->again));
        if (failed)
            atomic_fetch_add(&crowd->failed, 1);
        pthread_mutex_lock(&pool.lock);
        pool.taken--;
        pthread_mutex_unlock(&pool.lock);
        atomic_fetch_add(&crowd->answered, 1); /* whoever waits for it frees it */
    }
    return argument;
}

static void need_threads(unsigned count)
{
    pthread_attr_t small;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (; pool.threads < count; pool.threads++) {
        pthread_t thread;
        int r = pthread_create(&thread, &small, run, NULL);
        if (r)
            fail_msg("thread %u of %u: %s", pool.threads, count, strerror(r));
    }
    pthread_attr_destroy(&small);
}

/* ---- requests ----------------------------------------------------------------- */

static struct crowd *start(unsigned count, const struct ask *first, bool again)
{
    struct crowd *c = calloc(1, sizeof *c + count * sizeof c->one[0]);

    assert_non_null(c);
    c->count = count;
    c->again = again;
    pthread_mutex_lock(&pool.lock);
    unsigned taken = pool.taken += count;
    pthread_mutex_unlock(&pool.lock);
    need_threads(taken);
    for (unsigned i = 0; i < count; i++) {
        struct one *one = &c->one[i];
        *one = (struct one){ .crowd = c, .ask = *first };
        one->ask.offset = (first->offset + i * first->length) % (RIG_SIZE / 2);
        pthread_mutex_lock(&pool.lock);
        *pool.last = one;
        pool.last = &one->next;
        pthread_cond_signal(&pool.more);
        pthread_mutex_unlock(&pool.lock);
    }
    return c;
}

struct crowd *crowd_start(unsigned count, const struct ask *first)
{
    return start(count, first, false);
}

struct crowd *crowd_start_again(unsigned count, const struct ask *first)
{
    return start(count, first, true);
}

void crowd_calm(struct crowd *c)
{
    atomic_store(&c->again, false);
}

unsigned crowd_under_way(void)
{
    pthread_mutex_lock(&pool.lock);
    unsigned taken = pool.taken;
    pthread_mutex_unlock(&pool.lock);
    return taken;
}

unsigned crowd_answered(const struct crowd *c)
{
    return atomic_load(&c->answered);
}

unsigned crowd_failed(const struct crowd *c)
{
    return atomic_load(&c->failed);
}

void crowd_end(struct crowd *c)
{
    for (int tries = 0; crowd_answered(c) < c->count; tries++) {
        if (tries >= 60000)
            fail_msg("only %u of %u requests were answered", crowd_answered(c), c->count);
        usleep(1000);
    }
    assert_int_equal(crowd_answered(c), c->count);
    assert_int_equal(crowd_failed(c), 0);
    free(c);
}
