/* test-together.c - do disks whose filters share something change at once, all of them or none?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Probes 0 and 1 are one version of a filter, of two disks, and 2 and 3 the other: what they
 * share is had by one version at a time. */
#include "stage.h"

static struct export *other;
static int attached[2]; /* of each version */
static uint8_t buffer[4096];

static int share(struct probe *p, struct weir_text *why)
{
    if (attached[p->index < 2]) {
        weir_print(why, "the pool is in use");
        return -EBUSY;
    }
    attached[p->index >= 2]++;
    return 0;
}

static void let_go(struct probe *p)
{
    attached[p->index >= 2]--;
}

static void open_both(void)
{
    memset(attached, 0, sizeof(attached));
    for (int i = 0; i < 4; i++) {
        probes[i].attach = share;
        probes[i].detach = let_go;
    }
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(stage_open_other((const int[]){ 1, -1 }, &other), 0);
}

static void close_both(void)
{
    export_close(other);
    export_unref(other);
}

/* Gives the stage probe `a`, and the other disk `b`.  *failed: which refuses. */
static int change_both(int a, int b, size_t *failed)
{
    struct export *both[] = { stage, other };
    struct weir_text why = { 0 };
    struct plan plans[2];

    stage_plan(&plans[0], (const int[]){ a, -1 });
    stage_plan(&plans[1], (const int[]){ b, -1 });
    int r = export_apply_all(both, plans, 2, failed, &why);
    snprintf(stage_why, sizeof(stage_why), "%s", text_string(&why));
    text_finish(&why);
    return r;
}

static int ask_other(void)
{
    struct weir_request r = { .op = WEIR_WRITE, .length = sizeof(buffer), .data = buffer };

    return export_serve(other, &r);
}

static void assert_served_by(const char *stage_told, const char *other_told)
{
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), stage_told);
    forget();
    assert_int_equal(ask_other(), 0);
    assert_string_equal(told(), other_told);
}

static void test_what_is_shared_goes_over_at_once(void **state)
{
    size_t failed;

    (void)state;
    open_both();
    assert_int_equal(stage_apply((const int[]){ 2, -1 }), -EBUSY); /* alone it cannot */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(change_both(2, 3, &failed), 0);
        assert_int_equal(attached[0], 0);
        assert_served_by("2>r s=r 2<r", "3>w s=w 3<w");
        assert_int_equal(change_both(0, 1, &failed), 0);
        assert_served_by("0>r s=r 0<r", "1>w s=w 1<w");
    }
    close_both();
}

static int refuse(struct probe *p, struct weir_text *why)
{
    weir_print(why, "probe%d is not in the mood", p->index);
    return -ENOSPC;
}

static void test_one_that_refuses_leaves_all_as_they_were(void **state)
{
    size_t failed;

    (void)state;
    open_both();
    for (int who = 2; who < 4; who++) {
        probes[who].attach = refuse;
        assert_int_equal(change_both(2, 3, &failed), -ENOSPC);
        assert_int_equal(failed, who - 2);
        assert_non_null(strstr(stage_why, "is not in the mood"));
        assert_int_equal(attached[0], 2);
        assert_int_equal(attached[1], 0);
        assert_served_by("0>r s=r 0<r", "1>w s=w 1<w");
        probes[who].attach = share;
    }
    probes[1].stays_busy = true;
    assert_int_equal(change_both(2, 3, &failed), -EBUSY);
    assert_int_equal(failed, 1);
    probes[1].stays_busy = false;
    assert_served_by("0>r s=r 0<r", "1>w s=w 1<w");
    assert_int_equal(change_both(2, 3, &failed), 0);
    close_both();
}

/* ---- a request that waits for what another disk's filter does ------------------ */

static atomic_bool inside, quiet, done;

/* Not held: it waits in down(), as a write waits for room that another disk's blocks take. */
static enum weir_verdict wait_for_the_other(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    atomic_store(&inside, true);
    while (!atomic_load(&done))
        usleep(1000);
    return WEIR_PASS;
}

static void rest(struct probe *p, bool begin)
{
    (void)p;
    atomic_store(&quiet, begin);
}

/* What the stage's filter does in time, unless it is told to be quiet. */
static void *make_room(void *arg)
{
    (void)arg;
    usleep(200000); /* the change begins meanwhile */
    if (!atomic_load(&quiet))
        atomic_store(&done, true);
    return NULL;
}

static void *write_other(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)ask_other();
}

static void test_a_request_may_wait_for_another_disks_filter(void **state)
{
    pthread_t client, room;
    size_t failed;
    void *error;

    (void)state;
    open_both();
    atomic_store(&inside, false);
    atomic_store(&quiet, false);
    atomic_store(&done, false);
    probes[0].drain = rest;
    probes[1].down = wait_for_the_other;
    export_drain_ms = 5000;
    assert_int_equal(pthread_create(&client, NULL, write_other, NULL), 0);
    wait_for(atomic_load(&inside));
    assert_int_equal(pthread_create(&room, NULL, make_room, NULL), 0);
    assert_int_equal(change_both(2, 3, &failed), 0);
    pthread_join(room, NULL);
    atomic_store(&done, true);
    pthread_join(client, &error);
    assert_null(error);
    assert_served_by("2>r s=r 2<r", "3>w s=w 3<w");
    export_drain_ms = 30000;
    close_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_what_is_shared_goes_over_at_once),
        STAGE_TEST(test_one_that_refuses_leaves_all_as_they_were),
        STAGE_TEST(test_a_request_may_wait_for_another_disks_filter),
    };
    return cmocka_run_group_tests_name("together", tests, NULL, NULL);
}
