/* test-storm.c - are ten thousand requests, resumed in any order by others, answered once each?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

enum { CLIENTS = 32, EACH = 320, RESUMERS = 3 };

static struct {
    pthread_mutex_t lock; /* guards held and count */
    struct weir_request *held[CLIENTS];
    unsigned count;
    atomic_bool stop;
    atomic_uint resumed;
} storm = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t seed;

static enum weir_verdict hold_in_storm(struct probe *p, struct weir_request *req)
{
    (void)p;
    if (req->op == WEIR_FLUSH)
        return WEIR_PASS;
    pthread_mutex_lock(&storm.lock);
    storm.held[storm.count++] = req;
    pthread_mutex_unlock(&storm.lock);
    return WEIR_DEFER;
}

static void *resume_in_storm(void *argument)
{
    uint64_t random = seed + (uintptr_t)argument;

    while (!atomic_load(&storm.stop)) {
        pthread_mutex_lock(&storm.lock);
        if (storm.count) {
            unsigned pick = (unsigned)(next_random(&random) % storm.count);
            struct weir_request *req = storm.held[pick];
            storm.held[pick] = storm.held[--storm.count];
            atomic_fetch_add(&storm.resumed, 1);
            if (next_random(&random) % 2)
                weir_resume(req, WEIR_PASS); /* with a lock held */
            else
                weir_resume_at(req, stage_now() + next_random(&random) % 100000, WEIR_PASS);
        }
        pthread_mutex_unlock(&storm.lock);
        sched_yield();
    }
    return NULL;
}

static void *ask_in_storm(void *argument)
{
    uint8_t data[512];
    intptr_t errors = 0;

    for (unsigned i = 0; i < EACH / 2; i++) {
        enum weir_op op = i % 2 ? WEIR_READ : WEIR_WRITE;
        errors += ask(op, (uintptr_t)argument * 4096, sizeof(data), 0, data) != 0;
    }
    return (void *)errors;
}

static void test_ten_thousand_held_and_resumed_in_random_order(void **state)
{
    pthread_t clients[CLIENTS], resumers[RESUMERS];
    void *errors;

    (void)state;
    seed = seed_of_test();
    storm.count = 0;
    atomic_store(&storm.resumed, 0);
    atomic_store(&storm.stop, false);
    probes[1].down = probes[1].up = hold_in_storm;
    assert_int_equal(stage_open(3), 0);
    for (uintptr_t i = 0; i < RESUMERS; i++)
        pthread_create(&resumers[i], NULL, resume_in_storm, (void *)(i << 32));
    for (uintptr_t i = 0; i < CLIENTS; i++)
        pthread_create(&clients[i], NULL, ask_in_storm, (void *)i);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i], &errors);
        assert_null(errors);
    }
    atomic_store(&storm.stop, true);
    for (int i = 0; i < RESUMERS; i++)
        pthread_join(resumers[i], NULL);
    assert_int_equal(atomic_load(&storm.resumed), CLIENTS * EACH);
    assert_false(event_says("probe1", "resumed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_ten_thousand_held_and_resumed_in_random_order),
    };

    return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
