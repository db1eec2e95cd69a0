/* test-locks.c - is a disk that somebody has locked ever served, and who ends a hold?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[4096];

/* ---- a lock belongs to who set it ------------------------------------------------- */

static int lock_it(struct probe *p, struct weir_text *why)
{
    (void)why;
    weir_lock_export(p->below, "the key is missing");
    return 0;
}

static void test_a_lock_set_by_attach_outlives_the_opening(void **state)
{
    (void)state;
    probes[0].attach = lock_it;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    weir_unlock_export(probes[0].below);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

static void test_a_change_of_the_chain_unlocks_nothing(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    weir_lock_export(probes[0].below, "fenced");
    assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), 0);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(stage_apply((const int[]){ 1, -1 }), 0); /* it goes, and its lock */
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

static void test_nobody_unlocks_for_another(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    weir_lock_export(probes[0].below, "fenced");
    weir_unlock_export(probes[1].below);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    export_lock(stage, "maintenance");
    export_unlock(stage);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    export_lock(stage, "maintenance");
    weir_unlock_export(probes[0].below);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    export_unlock(stage);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

/* The linker puts it in the place of strdup(): what a lock says is a copy. */
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
static atomic_bool no_memory;

char *__wrap_strdup(const char *text)
{
    return atomic_load(&no_memory) ? NULL : __real_strdup(text);
}

static void test_without_memory_for_the_reason_it_is_locked_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    atomic_store(&no_memory, true);
    weir_lock_export(probes[0].below, "fenced");
    atomic_store(&no_memory, false);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    atomic_store(&no_memory, true);
    export_lock(stage, "maintenance");
    weir_unlock_export(probes[0].below);
    atomic_store(&no_memory, false);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    export_lock(stage, "maintenance");
    export_unlock(stage);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

/* ---- a change that can be neither made nor taken back ------------------------------ */

static bool attached, again_refused;

static int attach_once(struct probe *p, struct weir_text *why)
{
    (void)p;
    (void)why;
    if (again_refused)
        return -EIO;
    attached = true;
    return 0;
}

static void detached(struct probe *p)
{
    (void)p;
    attached = false;
}

static enum weir_verdict only_attached(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    must(attached);
    return WEIR_PASS;
}

static void drain_only_attached(struct probe *p, bool begin)
{
    (void)p;
    (void)begin;
    must(attached);
}

static int refuse_both(struct probe *p, struct weir_text *why)
{
    (void)p;
    (void)why;
    again_refused = true;
    return -EPERM;
}

static void test_what_cannot_be_put_back_is_not_served(void **state)
{
    (void)state;
    again_refused = false;
    probes[0].attach = attach_once;
    probes[0].detach = detached;
    probes[0].down = only_attached;
    probes[0].drain = drain_only_attached;
    probes[1].attach = refuse_both;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(stage_apply((const int[]){ 1, -1 }), -EPERM);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    export_unlock(stage);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    again_refused = false;
    assert_int_equal(export_open(stage, NULL), 0); /* whoever tries again gets the old chain */
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
}

/* ---- whose verdict ends a hold ------------------------------------------------------ */

static sem_t parked;
static struct weir_request *listed; /* what probe 0 has on its list */
static bool dispatcher_was_first;

static enum weir_verdict list_with_a_time(struct probe *p, struct weir_request *req)
{
    listed = req;
    weir_resume_at(req, stage_now() + (p->arg ? 3600000000000u : 1000000), WEIR_PASS);
    sem_post(&parked);
    return WEIR_DEFER;
}

static enum weir_verdict hold(struct probe *p, struct weir_request *req)
{
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static enum weir_verdict off_the_list(void *self, struct weir_request *req)
{
    (void)self;
    must(listed == req || dispatcher_was_first);
    if (dispatcher_was_first)
        return WEIR_DEFER;
    listed = NULL;
    return WEIR_PASS;
}

static void test_due_settles_who_resumes(void **state)
{
    struct client client;

    (void)state;
    sem_init(&parked, 0, 0);
    sem_init(&probes[1].sem, 0, 0);
    dispatcher_was_first = false;
    probes[0].down = list_with_a_time;
    probes[0].library.filter.due = off_the_list;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    client_start(&client, WEIR_WRITE, 0, 512, buffer);
    take(&probes[1].sem); /* the time has come, and the request is at the next filter */
    assert_null(listed);  /* so the dispatcher of the first finds nothing to resume */
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&client), 0);
    assert_non_null(saw(STORE, '=', 0));
}

static void test_the_dispatcher_that_was_first_resumes(void **state)
{
    struct client client;

    (void)state;
    sem_init(&parked, 0, 0);
    dispatcher_was_first = true;
    probes[0].down = list_with_a_time;
    probes[0].library.filter.due = off_the_list;
    assert_int_equal(stage_open(1), 0);
    client_start(&client, WEIR_WRITE, 0, 512, buffer);
    take(&parked);
    usleep(20000); /* long past its time: still held, because due() said so */
    assert_false(client.done);
    weir_resume(listed, WEIR_PASS);
    assert_int_equal(client_wait(&client), 0);
}

static void test_a_drain_cuts_times_short(void **state)
{
    struct client client;

    (void)state;
    sem_init(&parked, 0, 0);
    probes[0].down = list_with_a_time;
    probes[0].arg = probes; /* in an hour */
    assert_int_equal(stage_open(1), 0);
    client_start(&client, WEIR_WRITE, 0, 512, buffer);
    take(&parked);
    assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), 0);
    assert_int_equal(client_wait(&client), 0);
}

/* ---- derived I/O --------------------------------------------------------------------- */

static enum weir_verdict fail_negative(struct probe *p, struct weir_request *req)
{
    (void)p;
    return weir_fail(req, -EIO);
}

static void test_derived_errors_are_negative_whatever_a_filter_says(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    probes[1].down = fail_negative;
    assert_int_equal(weir_read(probes[0].below, buffer, 512, 0, 0), -EIO);
}

static atomic_uint done, fills;

static void filled(void *req, int error)
{
    must(error == 0);
    atomic_fetch_add(&fills, 1);
    weir_resume(req, WEIR_PASS);
}

static enum weir_verdict miss(struct probe *p, struct weir_request *req)
{
    const struct weir_request io = {
        .op = WEIR_READ, .offset = req->offset, .length = 512, .data = req->data
    };

    usleep(20000); /* until the pool is full of others like it */
    return weir_submit(p->below, &io, filled, req) ? WEIR_FAIL : WEIR_DEFER;
}

static void count_done(void *arg, int error)
{
    (void)arg;
    must(error == 0);
    atomic_fetch_add(&done, 1);
}

static void test_submitted_io_that_waits_for_submitted_io(void **state)
{
    static uint8_t data[100][512];

    (void)state;
    atomic_store(&done, 0);
    atomic_store(&fills, 0);
    probes[1].down = miss;
    assert_int_equal(stage_open(2), 0);
    for (int i = 0; i < 100; i++) {
        const struct weir_request io = { .op = WEIR_READ, .length = 512, .data = data[i] };
        assert_int_equal(weir_submit(probes[0].below, &io, count_done, NULL), 0);
    }
    wait_for(atomic_load(&done) == 100);
    assert_int_equal(atomic_load(&fills), 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        STAGE_TEST(test_a_lock_set_by_attach_outlives_the_opening),
        STAGE_TEST(test_a_change_of_the_chain_unlocks_nothing),
        STAGE_TEST(test_nobody_unlocks_for_another),
        STAGE_TEST(test_without_memory_for_the_reason_it_is_locked_all_the_same),
        STAGE_TEST(test_what_cannot_be_put_back_is_not_served),
        STAGE_TEST(test_due_settles_who_resumes),
        STAGE_TEST(test_the_dispatcher_that_was_first_resumes),
        STAGE_TEST(test_a_drain_cuts_times_short),
        STAGE_TEST(test_derived_errors_are_negative_whatever_a_filter_says),
        STAGE_TEST(test_submitted_io_that_waits_for_submitted_io),
    };

    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
