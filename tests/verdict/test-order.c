/* test-order.c - do overlapping writes keep their order where a filter needs it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A checker below the filter that needs order notes who is between down() and up(), and
 * fails when two that overlap are there together. */
#include "stage.h"

enum { BLOCK = 512, BLOCKS = 64 };

/* who is in each block now: 0, or the number of a write + 1 */
static _Atomic uint32_t inside[BLOCKS];
static atomic_uint passed_another;

static void mark(const struct weir_request *req, uint32_t from, uint32_t to)
{
    for (uint64_t b = req->offset / BLOCK; b * BLOCK < req->offset + req->length; b++)
        if (!atomic_compare_exchange_strong(&inside[b], &(uint32_t){ from }, to))
            atomic_fetch_add(&passed_another, 1);
}

static uint32_t number_of(const struct weir_request *req)
{
    return 1 + (uint32_t)((uintptr_t)req >> 4);
}

static enum weir_verdict enter(struct probe *p, struct weir_request *req)
{
    (void)p;
    if (WEIR_CHANGES & WEIR_OP(req->op))
        mark(req, 0, number_of(req));
    return WEIR_PASS;
}

static enum weir_verdict leave(struct probe *p, struct weir_request *req)
{
    (void)p;
    if (WEIR_CHANGES & WEIR_OP(req->op))
        mark(req, number_of(req), 0);
    return WEIR_PASS;
}

static enum weir_verdict hold_first(struct probe *p, struct weir_request *req)
{
    if (p->held)
        return WEIR_PASS;
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static void open_checked(uint32_t align)
{
    probes[0].library.filter.flags = WEIR_NEEDS_ORDER;
    probes[0].library.filter.order_align = align;
    probes[0].down = enter;
    probes[0].up = leave;
    atomic_store(&passed_another, 0);
    assert_int_equal(stage_open(2), 0);
}

/* ---- two writes, sent together, 100,000 times -------------------------------- */

enum { PAIRS = 100000 };

struct writer {
    pthread_barrier_t *together;
    uint64_t offset;
    uint8_t data[2 * BLOCK];
    int errors;
};

static void *write_in_pairs(void *argument)
{
    struct writer *w = argument;

    for (int i = 0; i < PAIRS; i++) {
        if (i % 64 == 0) /* together again; in between they race freely */
            pthread_barrier_wait(w->together);
        w->errors += ask(WEIR_WRITE, w->offset, sizeof(w->data), 0, w->data) != 0;
    }
    return NULL;
}

static void test_two_overlapping_writes_never_pass_each_other(void **state)
{
    static struct writer writers[2];
    pthread_barrier_t together;
    pthread_t threads[2];

    (void)state;
    open_checked(0);
    pthread_barrier_init(&together, NULL, 2);
    for (int i = 0; i < 2; i++) {
        writers[i].together = &together;
        writers[i].offset = (uint64_t)i * BLOCK; /* they share one block of two */
        assert_int_equal(pthread_create(&threads[i], NULL, write_in_pairs, &writers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(writers[0].errors + writers[1].errors, 0);
    assert_int_equal(atomic_load(&passed_another), 0);
    pthread_barrier_destroy(&together);
}

/* A test that cannot fail proves nothing: without the flag the checker must see them pass. */
static void test_the_checker_sees_writes_that_pass(void **state)
{
    static uint8_t data[BLOCK];
    struct client held;

    (void)state;
    probes[0].down = enter;
    probes[0].up = leave;
    probes[1].down = hold_first;
    assert_int_equal(stage_open(2), 0);
    client_start(&held, WEIR_WRITE, 0, BLOCK, data);
    take(&probes[1].sem);
    assert_int_equal(ask(WEIR_WRITE, 0, BLOCK, 0, data), 0);
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&held), 0);
    assert_true(atomic_load(&passed_another) > 0);
    atomic_store(&passed_another, 0);
    for (int i = 0; i < BLOCKS; i++)
        atomic_store(&inside[i], 0);
}

/* ---- random ranges ----------------------------------------------------------- */

enum { THREADS = 6, ROUNDS = 8000 };

static uint64_t seed;

static void *write_anywhere(void *argument)
{
    uint64_t random = seed + (uintptr_t)argument;
    uint8_t data[8 * BLOCK] = { 0 };
    intptr_t errors = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t r = next_random(&random);
        uint64_t first = r % BLOCKS, count = 1 + (r >> 8) % 8;
        enum weir_op op = (r >> 16) % 4 == 0   ? WEIR_ZERO
                          : (r >> 16) % 4 == 1 ? WEIR_TRIM
                                               : WEIR_WRITE;
        if (first + count > BLOCKS)
            count = BLOCKS - first;
        errors += ask(op, first * BLOCK, count * BLOCK, 0, op == WEIR_WRITE ? data : NULL) != 0;
    }
    return (void *)errors;
}

static void run_random(void)
{
    pthread_t threads[THREADS];
    void *errors;

    seed = seed_of_test();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_anywhere, (void *)(i << 32)), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &errors);
        assert_null(errors);
    }
    assert_int_equal(atomic_load(&passed_another), 0);
}

static void test_random_ranges_never_pass_each_other(void **state)
{
    (void)state;
    open_checked(0);
    run_random();
}

/* Some of them are refused or held below: the range is given back all the same. */
static enum weir_verdict refuse_some(struct probe *p, struct weir_request *req)
{
    static atomic_uint count;
    unsigned n = atomic_fetch_add(&count, 1);

    (void)p;
    if (n % 3 == 0)
        return WEIR_COMPLETE;
    if (n % 3 == 1)
        weir_resume_at(req, 0, WEIR_PASS);
    return n % 3 == 1 ? WEIR_DEFER : WEIR_PASS;
}

static void test_random_ranges_answered_and_held_below(void **state)
{
    (void)state;
    probes[1].down = refuse_some;
    open_checked(0);
    run_random();
}

/* ---- what waits for what ----------------------------------------------------- */

static void test_others_do_not_wait(void **state)
{
    static uint8_t data[4096];
    struct client held;

    (void)state;
    probes[1].down = hold_first;
    open_checked(0);
    client_start(&held, WEIR_WRITE, 4096, 4096, data);
    take(&probes[1].sem);
    assert_int_equal(ask(WEIR_READ, 4096, 4096, 0, data), 0); /* reads are not ordered */
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(ask(WEIR_WRITE, 8192, 4096, 0, data), 0); /* nor its neighbours */
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, data), 0);
    assert_false(atomic_load(&held.done));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&held), 0);
}

/* The second waits for the first; the third overlaps only the second and waits too. */
static void test_the_queue_is_fair(void **state)
{
    static uint8_t data[8192];
    struct client first, second, third;

    (void)state;
    probes[1].down = hold_first;
    open_checked(0);
    client_start(&first, WEIR_WRITE, 0, 4096, data);
    take(&probes[1].sem);
    client_start(&second, WEIR_WRITE, 2048, 4096, data);
    client_start(&third, WEIR_ZERO, 2048, 4096, NULL);
    for (int i = 0; i < 50; i++) /* nothing to wait for: they must not come */
        usleep(1000);
    assert_null(saw(0, '>', 1));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&first), 0);
    assert_int_equal(client_wait(&second), 0);
    assert_int_equal(client_wait(&third), 0);
    assert_int_equal(atomic_load(&passed_another), 0);
}

static void test_ranges_are_widened_to_the_alignment(void **state)
{
    static uint8_t data[512];
    struct client held, near;

    (void)state;
    probes[1].down = hold_first;
    open_checked(4096);
    client_start(&held, WEIR_WRITE, 0, 512, data);
    take(&probes[1].sem);
    assert_int_equal(ask(WEIR_WRITE, 4096, 512, 0, data), 0);
    client_start(&near, WEIR_WRITE, 3584, 512, data);
    for (int i = 0; i < 50; i++)
        usleep(1000);
    assert_false(atomic_load(&near.done));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&held), 0);
    assert_int_equal(client_wait(&near), 0);
}

static void test_order_lock_keeps_writes_out(void **state)
{
    static uint8_t data[4096];
    struct weir_order *order;
    struct client c;

    (void)state;
    open_checked(0);
    assert_int_equal(weir_order_lock(probes[0].below, 0, 4096, &order), 0);
    client_start(&c, WEIR_WRITE, 2048, 4096, data);
    assert_int_equal(weir_write(probes[0].below, data, 4096, 0, 0), 0); /* its own passes */
    assert_int_equal(ask(WEIR_WRITE, 8192, 4096, 0, data), 0);
    for (int i = 0; i < 50; i++)
        usleep(1000);
    assert_false(atomic_load(&c.done));
    weir_order_unlock(order);
    assert_int_equal(client_wait(&c), 0);
}

static void test_order_lock_needs_the_flag(void **state)
{
    struct weir_order *order;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_order_lock(probes[0].below, 0, 4096, &order), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_two_overlapping_writes_never_pass_each_other),
        STAGE_TEST(test_the_checker_sees_writes_that_pass),
        STAGE_TEST(test_random_ranges_never_pass_each_other),
        STAGE_TEST(test_random_ranges_answered_and_held_below),
        STAGE_TEST(test_others_do_not_wait),
        STAGE_TEST(test_the_queue_is_fair),
        STAGE_TEST(test_ranges_are_widened_to_the_alignment),
        STAGE_TEST(test_order_lock_keeps_writes_out),
        STAGE_TEST(test_order_lock_needs_the_flag),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
