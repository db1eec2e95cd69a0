/* test-gate.c - do writes and the copier keep out of each other's granules?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replication.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WRITERS = 4, GRANULES = 64, ROUNDS = 100000, COPIES = 10000 };

/* What a write does to a granule that nobody else may look at meanwhile: it counts itself. */
static struct {
    struct gate gate;
    _Atomic int inside[GRANULES];
    _Atomic unsigned seen; /* writes that the copier met in a granule it had closed */
    atomic_bool stop;
} world;

struct writer {
    struct gate_wait wait; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool retry;
    unsigned seed, waited;
};

static void enter(struct writer *w, uint64_t offset, uint64_t length)
{
    while (!gate_enter(&world.gate, &w->wait, offset, length)) {
        w->waited++;
        pthread_mutex_lock(&w->lock);
        while (!w->retry)
            pthread_cond_wait(&w->changed, &w->lock);
        w->retry = false;
        pthread_mutex_unlock(&w->lock);
    }
}

static void *write_much(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t first = (uint64_t)rand_r(&w->seed) % GRANULES;
        uint64_t n = 1 + (uint64_t)rand_r(&w->seed) % 3;
        if (first + n > GRANULES)
            n = GRANULES - first;
        enter(w, first * GRANULE, n * GRANULE);
        for (uint64_t at = first; at < first + n; at++)
            atomic_fetch_add(&world.inside[at], 1);
        for (uint64_t at = first; at < first + n; at++)
            atomic_fetch_sub(&world.inside[at], 1);
        gate_leave(&world.gate, first * GRANULE, n * GRANULE);
    }
    return NULL;
}

static void open_gate(void)
{
    for (struct gate_wait *at = gate_open(&world.gate), *next; at; at = next) {
        struct writer *w = (struct writer *)at;
        next = at->next;
        pthread_mutex_lock(&w->lock);
        w->retry = true;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
    }
}

static void *copy_much(void *unused)
{
    unsigned seed = 7;

    (void)unused;
    for (int i = 0; i < COPIES || !atomic_load(&world.stop); i++) {
        uint64_t first = (uint64_t)rand_r(&seed) % (GRANULES - 4);
        gate_close(&world.gate, first * GRANULE, 4 * GRANULE);
        for (int look = 0; look < 20; look++)
            for (uint64_t at = first; at < first + 4; at++)
                atomic_fetch_add(&world.seen, (unsigned)atomic_load(&world.inside[at]));
        open_gate();
    }
    return NULL;
}

/* Every write ends, and none is where the copier is. */
static void test_nobody_meets(void **state)
{
    struct writer writers[WRITERS] = { 0 };
    pthread_t threads[WRITERS], copier;

    (void)state;
    gate_init(&world.gate);
    assert_int_equal(pthread_create(&copier, NULL, copy_much, NULL), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].seed = i;
        pthread_mutex_init(&writers[i].lock, NULL);
        pthread_cond_init(&writers[i].changed, NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&world.stop, true);
    pthread_join(copier, NULL);
    assert_int_equal(atomic_load(&world.seen), 0);
    gate_finish(&world.gate);
}

static void nothing(struct gate *g, uint64_t offset, uint64_t length, bool enters)
{
    struct gate_wait wait;

    assert_int_equal(gate_enter(g, &wait, offset, length), enters);
    if (enters)
        gate_leave(g, offset, length);
}

/* What does not touch the range goes on; what touches one byte of it waits, and comes back in
 * order. */
static void test_ranges(void **state)
{
    struct gate g = { 0 };
    struct gate_wait first, second;

    (void)state;
    gate_init(&g);
    nothing(&g, 0, 1 << 20, true);
    gate_close(&g, 10 * GRANULE, 2 * GRANULE);
    nothing(&g, 0, 10 * GRANULE, true);
    nothing(&g, 12 * GRANULE, 1, true);
    assert_false(gate_enter(&g, &first, 10 * GRANULE - 1, 2));
    assert_false(gate_enter(&g, &second, 0, 100 * GRANULE));
    struct gate_wait *back = gate_open(&g);
    assert_ptr_equal(back, &first);
    assert_ptr_equal(back->next, &second);
    assert_null(second.next);
    nothing(&g, 10 * GRANULE, 1, true);
    gate_close(&g, 10 * GRANULE, 2 * GRANULE); /* and nobody is counted in who is not */
    assert_null(gate_open(&g));
    gate_finish(&g);
}

/* Any of them may go away while it waits, and those that come after the last one are not lost. */
static void test_forgotten(void **state)
{
    struct gate g = { 0 };
    struct gate_wait wait[4];

    (void)state;
    gate_init(&g);
    for (int gone = 0; gone < 3; gone++) {
        gate_close(&g, 0, GRANULE);
        assert_false(gate_forget(&g, &wait[gone]));
        for (int i = 0; i < 3; i++)
            assert_false(gate_enter(&g, &wait[i], 0, 1));
        assert_true(gate_forget(&g, &wait[gone]));
        assert_false(gate_forget(&g, &wait[gone]));
        assert_false(gate_enter(&g, &wait[3], 0, 1));
        struct gate_wait *back = gate_open(&g);
        assert_false(gate_forget(&g, &wait[3]));
        for (int i = 0; i < 4; i++)
            if (i != gone) {
                assert_ptr_equal(back, &wait[i]);
                back = back->next;
            }
        assert_null(back);
    }
    assert_true(gate_is_empty(&g));
    gate_finish(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_nobody_meets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
