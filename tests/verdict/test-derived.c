/* test-derived.c - who sees, counts and waits for the I/O that a filter starts itself?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[8192];

static enum weir_verdict refuse(struct probe *p, struct weir_request *req)
{
    (void)p;
    return weir_fail(req, ENOSPC);
}

/* ---- blocking, from a thread of the filter's --------------------------------- */

static void test_only_those_below_see_it(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    memset(buffer, 0x42, sizeof(buffer));
    struct weir_below *below = probes[1].below;

    assert_int_equal(weir_write(below, buffer, 4096, 512, WEIR_FUA), 0);
    assert_int_equal(weir_read(below, buffer + 4096, 4096, 512, 0), 0);
    assert_int_equal(weir_zero(below, 512, 0, WEIR_MAY_TRIM), 0);
    assert_int_equal(weir_trim(below, 512, 0, WEIR_BACKGROUND), 0);
    assert_int_equal(weir_flush(below, 0), 0);
    assert_int_equal(weir_prefetch(below, 4096, 8192, 0), 0);
    assert_string_equal(told(),
                        "2>w s=w 2<w 2>r s=r 2<r 2>z s=z 2<z 2>t s=t 2<t 2>f s=f 2<f 2>p s=p 2<p");
    assert_int_equal(saw(2, '>', 5)->req.offset, 8192);
    assert_int_equal(saw(2, '>', 5)->req.length, 4096);
    assert_int_equal(saw(2, '>', 0)->req.flags, WEIR_FUA | WEIR_DERIVED);
    assert_int_equal(saw(2, '>', 0)->req.offset, 512);
    assert_int_equal(saw(2, '>', 2)->req.flags, WEIR_MAY_TRIM | WEIR_DERIVED);
    assert_int_equal(saw(2, '>', 3)->req.flags, WEIR_BACKGROUND | WEIR_DERIVED);
    assert_memory_equal(buffer, buffer + 4096, 4096);
}

static void test_it_is_counted_under_its_filter(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(weir_write(probes[1].below, buffer, 4096, 0, 0), 0);
    assert_int_equal(weir_write(probes[1].below, buffer, 512, 0, 0), 0);
    assert_int_equal(figures_of("probe1", WEIR_WRITE)->derived, 2);
    assert_int_equal(figures_of("probe1", WEIR_WRITE)->derived_bytes, 4608);
    assert_int_equal(figures_of("probe1", WEIR_WRITE)->requests, 0);
    assert_int_equal(figures_of("probe0", WEIR_WRITE)->requests, 0);
    assert_int_equal(figures_of("probe2", WEIR_WRITE)->requests, 2);
    assert_int_equal(figures_of("probe2", WEIR_WRITE)->derived, 0);
    assert_int_equal(figures_of("store", WEIR_WRITE)->requests, 2);
    assert_int_equal(figures_of("export", WEIR_WRITE)->requests, 0);
}

static void test_it_gets_the_errors_of_those_below(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    probes[2].down = refuse;
    assert_int_equal(weir_write(probes[1].below, buffer, 4096, 0, 0), -ENOSPC);
    assert_int_equal(weir_flush(probes[0].below, 0), -ENOSPC);
    assert_int_equal(weir_flush(probes[2].below, 0), 0);
}

static void test_it_stays_on_the_disk(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_read(probes[0].below, buffer, 4096, DISK - 4096, 0), 0);
    assert_int_equal(weir_read(probes[0].below, buffer, 4096, DISK - 4095, 0), -EINVAL);
    assert_int_equal(weir_read(probes[0].below, buffer, 4096, UINT64_MAX - 100, 0), -EINVAL);
    assert_int_equal(weir_zero(probes[0].below, UINT64_MAX, 1, 0), -EINVAL);
}

static int small_blocks(struct probe *p, struct weir_geometry *geometry, struct weir_text *why)
{
    (void)p;
    (void)why;
    geometry->block_max = 4096;
    return 0;
}

static void test_long_ones_are_cut_to_the_largest_block(void **state)
{
    (void)state;
    probes[1].geometry = small_blocks;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_write(probes[0].below, buffer, 6000, 1000, 0), 0);
    assert_string_equal(told(), "1>w s=w 1<w 1>w s=w 1<w");
    assert_int_equal(saw(1, '>', 1)->req.offset, 5096);
    assert_int_equal(saw(1, '>', 1)->req.length, 1904);
    assert_ptr_equal(saw(1, '>', 1)->req.data, buffer + 4096);
}

static void test_it_is_lowered_as_a_clients_is(void **state)
{
    (void)state;
    probes[1].library.filter.ops = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_FLUSH);
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_zero(probes[0].below, 4096, 0, WEIR_BACKGROUND), 0);
    assert_string_equal(told(), "1>w s=w 1<w");
    assert_int_equal(saw(1, '>', 0)->req.flags, WEIR_DERIVED | WEIR_BACKGROUND);
}

/* ---- from down() and up() ---------------------------------------------------- */

static enum weir_verdict read_below(struct probe *p, struct weir_request *req)
{
    uint8_t *scratch = weir_scratch(req);
    uint8_t block[512];

    scratch[0] = 7;
    must(weir_read(p->below, block, sizeof(block), 0, 0) == 0);
    must(weir_scratch(req) == scratch && scratch[0] == 7);
    return WEIR_PASS;
}

static void test_from_down_and_up(void **state)
{
    (void)state;
    probes[0].down = probes[0].up = read_below;
    probes[1].down = probes[1].up = read_below;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>r s=r s=r 1<r s=r 1>w s=r s=w 1<w s=r "
                                "0<w 1>r s=r s=r 1<r s=r");
}

/* ---- without waiting --------------------------------------------------------- */

struct answers {
    sem_t come;
    atomic_int count, errors, last;
    pthread_t submitter;
    atomic_bool on_submitter; /* an answer came on the thread that submitted */
};

static void count_answer(void *arg, int error)
{
    struct answers *a = arg;

    if (pthread_equal(a->submitter, pthread_self()))
        atomic_store(&a->on_submitter, true);
    atomic_fetch_add(&a->count, 1);
    atomic_fetch_add(&a->errors, error != 0);
    atomic_store(&a->last, error);
    sem_post(&a->come);
}

static void test_submitted_ones_are_answered_once_each(void **state)
{
    struct answers a = { .submitter = pthread_self() };
    struct weir_request io = { .op = WEIR_WRITE, .length = 512, .data = buffer };

    (void)state;
    sem_init(&a.come, 0, 0);
    assert_int_equal(stage_open(2), 0);
    for (int i = 0; i < 1000; i++) {
        io.offset = (uint64_t)i * 512;
        assert_int_equal(weir_submit(probes[0].below, &io, count_answer, &a), 0);
        io.offset = UINT64_MAX; /* it was copied */
    }
    for (int i = 0; i < 1000; i++)
        take(&a.come);
    assert_int_equal(a.count, 1000);
    assert_int_equal(a.errors, 0);
    assert_false(atomic_load(&a.on_submitter));
    assert_int_equal(figures_of("probe0", WEIR_WRITE)->derived, 1000);
    assert_int_equal(figures_of("probe1", WEIR_WRITE)->requests, 1000);
}

static void test_submitted_ones_get_errors(void **state)
{
    struct answers a = { 0 };
    struct weir_request io = { .op = WEIR_FLUSH };

    (void)state;
    sem_init(&a.come, 0, 0);
    probes[1].down = refuse;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_submit(probes[0].below, &io, count_answer, &a), 0);
    take(&a.come);
    assert_int_equal(a.last, ENOSPC);
}

static void test_submitted_ones_stay_on_the_disk(void **state)
{
    struct answers a = { 0 };
    struct weir_request io = { .op = WEIR_READ, .offset = DISK, .length = 1, .data = buffer };

    (void)state;
    sem_init(&a.come, 0, 0);
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_submit(probes[0].below, &io, count_answer, &a), -EINVAL);
    assert_null(saw(STORE, '=', 0));
    assert_int_equal(a.count, 0);
}

/* done() may submit again, and the close waits for the last of them, although it has
 * told the filter to be quiet meanwhile. */
static struct {
    struct weir_below *below;
    atomic_int left, done;
} relay;

static void run_on(void *arg, int error)
{
    struct weir_request io = { .op = WEIR_READ, .length = 512, .data = arg };

    must(error == 0);
    if (atomic_fetch_sub(&relay.left, 1) > 0)
        must(weir_submit(relay.below, &io, run_on, arg) == 0);
    atomic_fetch_add(&relay.done, 1);
}

static void test_close_waits_for_submitted_ones(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    relay.below = probes[0].below;
    atomic_store(&relay.left, 200);
    atomic_store(&relay.done, 0);
    run_on(buffer, 0);
    stage_close();
    assert_int_equal(atomic_load(&relay.done), 201);
}

/* ---- a pool whose threads all wait ------------------------------------------- */

enum { QUEUED = 100 }; /* more than the pool has threads at work */

static enum weir_verdict hold_the_first(struct probe *p, struct weir_request *req)
{
    if (req->op != WEIR_WRITE || p->held)
        return WEIR_PASS;
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static void post(void *sem, int error)
{
    must(error == 0);
    sem_post(sem);
}

static void resume_the_first(void *unused, int error)
{
    (void)unused;
    must(error == 0);
    weir_resume(probes[2].held, WEIR_PASS);
}

/* Writes of one place queue behind the first, and what lets that one go is submitted last. */
static void test_submitted_ones_that_wait_for_their_turn_leave_room(void **state)
{
    const struct weir_request write = { .op = WEIR_WRITE, .length = 512, .data = buffer };
    const struct weir_request read = { .op = WEIR_READ, .length = 512, .data = buffer };
    sem_t written;

    (void)state;
    sem_init(&written, 0, 0);
    probes[1].library.filter.flags = WEIR_NEEDS_ORDER;
    probes[2].down = hold_the_first;
    assert_int_equal(stage_open(3), 0);
    for (int i = 0; i < QUEUED; i++) {
        assert_int_equal(weir_submit(probes[0].below, &write, post, &written), 0);
        if (i == 0)
            take(&probes[2].sem);
    }
    assert_int_equal(weir_submit(probes[0].below, &read, resume_the_first, NULL), 0);
    for (int i = 0; i < QUEUED; i++)
        take(&written);
    stage_close(); /* after which nobody posts any more */
    sem_destroy(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_only_those_below_see_it),
        STAGE_TEST(test_it_is_counted_under_its_filter),
        STAGE_TEST(test_it_gets_the_errors_of_those_below),
        STAGE_TEST(test_it_stays_on_the_disk),
        STAGE_TEST(test_long_ones_are_cut_to_the_largest_block),
        STAGE_TEST(test_it_is_lowered_as_a_clients_is),
        STAGE_TEST(test_from_down_and_up),
        STAGE_TEST(test_submitted_ones_are_answered_once_each),
        STAGE_TEST(test_submitted_ones_get_errors),
        STAGE_TEST(test_submitted_ones_stay_on_the_disk),
        STAGE_TEST(test_close_waits_for_submitted_ones),
        STAGE_TEST(test_submitted_ones_that_wait_for_their_turn_leave_room),
    };
    return cmocka_run_group_tests_name("derived", tests, NULL, NULL);
}
