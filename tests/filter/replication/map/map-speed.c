/* map-speed.c - what does a map cost a write, in time and room, and what does a crash cost?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   map-speed FOLDER   one that it may fill with some MiB */
#include "map-rig.h"

#include <pthread.h>
#include <time.h>

enum { ROUNDS = 4000000 };

static struct map *map;

static double clock_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static double own_seconds(void) /* whatever else the machine does */
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

struct caller {
    struct map_wait wait;
    pthread_mutex_t lock; /* guards `called` */
    pthread_cond_t change;
    bool called;
};

static void called(struct map_wait *wait, int error)
{
    struct caller *c = (struct caller *)wait;

    if (error)
        abort();
    pthread_mutex_lock(&c->lock);
    c->called = true;
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&c->lock);
}

static void enter(uint64_t offset)
{
    struct caller c = { .wait.ready = called,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .change = PTHREAD_COND_INITIALIZER };

    if (map_enter(map, offset, 4096, &c.wait) == 0)
        return;
    pthread_mutex_lock(&c.lock);
    while (!c.called)
        pthread_cond_wait(&c.change, &c.lock);
    pthread_mutex_unlock(&c.lock);
}

static void hot(const char *words, unsigned extents)
{
    uint64_t chance = 1;

    for (unsigned e = 0; e < extents; e++) {
        enter((uint64_t)e * EXTENT);
        map_leave(map, (uint64_t)e * EXTENT, 4096, 1);
    }
    double from = own_seconds();
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t at = memory_chance(&chance) % ((uint64_t)extents * 1024) * 4096;
        enter(at);
        map_leave(map, at, 4096, (uint64_t)i);
    }
    printf("enter and leave, %s: %.0f ns\n", words, (own_seconds() - from) * 1e9 / ROUNDS);
}

static void cold(void)
{
    enum { COLD_ONES = 200 };

    double from = seconds();
    for (uint64_t e = 0; e < COLD_ONES; e++) {
        enter((20000 + e) * EXTENT);
        map_leave(map, (20000 + e) * EXTENT, 4096, 1);
    }
    printf("enter, cold, one at a time: %.0f us\n", (seconds() - from) * 1e6 / COLD_ONES);
}

static int sum(void *arg, uint64_t offset, uint64_t length)
{
    (void)offset;
    *(uint64_t *)arg += length;
    return 0;
}

/* 5 s of 1000 writes a second, to so many of the extents; then it is killed. */
static void killed(struct map_setup *setup, const char *words, unsigned extents)
{
    struct map_found found;
    struct weir_text why = { 0 };
    uint64_t chance = 7, before = 0, after = 0;
    const struct map_point p = map_checkpoint(map);

    for (int i = 0; i < 50000; i++) {
        const uint64_t at = memory_chance(&chance) % ((uint64_t)extents * 1024) * 4096;
        enter(at);
        map_leave(map, at, 4096, 2);
    }
    map_changed(map, &p, sum, &before);
    map_durable(map, 2);
    const uint64_t intents = map_intents(map);
    map_abandon(map);
    double from = seconds();
    if (map_open(setup, &map, &found, &why))
        abort();
    const double opened = seconds() - from;
    map_changed(map, &p, sum, &after);
    printf("killed after 50000 writes %s: changed %llu MiB, said %llu MiB: %.2f times; %llu "
           "intents; opened in %.0f ms\n",
           words, (unsigned long long)(before >> 20), (unsigned long long)(after >> 20),
           (double)after / (double)before, (unsigned long long)intents, opened * 1e3);
}

int main(int argc, char **argv)
{
    struct map_setup setup = { .name = "map", .size = 1024 * GIB };
    struct map_found found;
    struct weir_text why = { 0 };
    uint64_t changed = 0;

    if (argc < 2 || medium_open(argv[1], &setup.medium, &why)) {
        fprintf(stderr, "usage: map-speed FOLDER\n");
        return 2;
    }
    if (map_open(&setup, &map, &found, &why))
        return 1;
    double from = seconds();
    if (map_sync(map))
        return 1;
    printf("1 TiB: a first sync of all pages takes %.2f s\n", seconds() - from);
    hot("one extent", 1);
    hot("1000 extents", 1000);
    hot("10000 extents", 10000);
    cold();
    from = seconds();
    struct map_point p = map_now(map);
    map_changed(map, &p, sum, &changed);
    printf("map_changed of 1 TiB: %.1f ms\n", (seconds() - from) * 1e3);
    from = seconds();
    map_sure(map);
    printf("map_sure of 1 TiB: %.2f ms\n", (seconds() - from) * 1e3);
    if (map_close(map))
        return 1;
    if (map_open(&setup, &map, &found, &why))
        return 1;
    killed(&setup, "to 4 GiB", 1024);
    killed(&setup, "to 40 GiB", 10240);
    return map_close(map);
}
