/* client.c - how does a test send requests and wait for their answers?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "request.h"

#include <time.h>

struct extent_seen extent[EXTENTS_MAX];
size_t extent_count;

int ask(enum weir_op op, uint64_t offset, uint64_t length, uint32_t flags, void *data)
{
    struct weir_request req = {
        .op = op, .flags = flags, .offset = offset, .length = length, .data = data
    };
    return export_serve(stage, &req);
}

int ask_extents(uint64_t offset, uint64_t length, uint32_t flags)
{
    struct weir_extents *extents = weir_extents_create();

    assert_non_null(extents);
    int error = ask(WEIR_EXTENTS, offset, length, flags, extents);
    extent_count = 0;
    while (extent_count < EXTENTS_MAX &&
           weir_get_extent(extents, extent_count, &extent[extent_count].offset,
                           &extent[extent_count].length, &extent[extent_count].type) == 0)
        extent_count++;
    weir_extents_destroy(extents);
    return error;
}

static void *client_run(void *argument)
{
    struct client *c = argument;

    c->error = ask(c->op, c->offset, c->length, c->flags, c->data);
    atomic_store(&c->done, true);
    return NULL;
}

void client_start(struct client *c, enum weir_op op, uint64_t offset, uint64_t length, void *data)
{
    *c = (struct client){ .op = op, .offset = offset, .length = length, .data = data };
    assert_int_equal(pthread_create(&c->thread, NULL, client_run, c), 0);
}

int client_wait(struct client *c)
{
    wait_for(atomic_load(&c->done));
    pthread_join(c->thread, NULL);
    return c->error;
}

void take(sem_t *sem)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    while (sem_timedwait(sem, &end) < 0)
        assert_int_equal(errno, EINTR);
}

uint64_t stage_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t seed_of_test(void)
{
    const char *given = getenv("WEIR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : stage_now();

    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
