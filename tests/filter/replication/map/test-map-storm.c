/* test-map-storm.c - is a map right while many write, and its own threads work?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Writers of their own granules in extents that they share, somebody who takes points, somebody who
 * copies dirty granules, syncs and grows; extents become cold, and hot again.  What left after a
 * point was given out has changed after it; what is in the middle of a write has an intent in what
 * a crash would leave; the counts are those of the bits. */
#include "map-rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { WRITERS = 4, EXTENTS = 32, WINDOW = 4, WAITS = 60, POINTS = 4000, LOOKS = 40 };

static struct {
    struct rig *rig;
    struct map *map;
    _Atomic uint64_t lsn;
    atomic_uint points, running, looks;
    struct map_point point[POINTS];
    atomic_uint inside[WRITERS][EXTENTS]; /* odd: it is in a write there */
} storm;

struct writer {
    unsigned number, waits; /* for an intent */
    uint64_t chance;
    unsigned left[EXTENTS]; /* so many points had been given out when it left last, plus one */
};

/* For one write at a time. */
struct caller {
    struct map_wait wait;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t change;
    bool called;
    int error;
};

static void called(struct map_wait *wait, int error)
{
    struct caller *c = (struct caller *)wait;

    pthread_mutex_lock(&c->lock);
    c->called = true;
    c->error = error;
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&c->lock);
}

/* True: it had to wait. */
static bool enter(uint64_t offset, uint64_t length)
{
    struct caller c = { .wait.ready = called,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .change = PTHREAD_COND_INITIALIZER };

    if (map_enter(storm.map, offset, length, &c.wait) == 0)
        return false;
    pthread_mutex_lock(&c.lock);
    while (!c.called)
        pthread_cond_wait(&c.change, &c.lock);
    pthread_mutex_unlock(&c.lock);
    if (c.error)
        abort();
    return true;
}

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

struct seen {
    uint64_t offset;
    bool found;
};

static int look(void *arg, uint64_t offset, uint64_t length)
{
    struct seen *s = arg;

    s->found |= offset <= s->offset && s->offset < offset + length;
    return s->found;
}

static bool has_changed(uint64_t offset, unsigned point)
{
    struct seen s = { .offset = offset };

    map_changed(storm.map, &storm.point[point], look, &s);
    return s.found;
}

static void write_once(struct writer *w, unsigned e)
{
    const uint64_t at = e * (uint64_t)EXTENT + w->number * (uint64_t)GRANULE;

    const unsigned since = atomic_load(&storm.points);
    w->waits += enter(at, 4096);
    atomic_fetch_add(&storm.inside[w->number][e], 1);
    if (memory_chance(&w->chance) % 4 == 0)
        sched_yield();
    if (memory_chance(&w->chance) % 256 == 0)
        nap(); /* a slow disk */
    const unsigned points = atomic_load(&storm.points);
    atomic_fetch_add(&storm.inside[w->number][e], 1);
    if (memory_chance(&w->chance) % 4) {
        map_leave(storm.map, at, 4096, atomic_fetch_add(&storm.lsn, 1) + 1);
    } else {
        map_mark(storm.map, at, 4096);
        map_leave(storm.map, at, 4096, 0);
    }
    w->left[e] = points + 1;
    if (points != since && !has_changed(at, points - 1))
        abort();
}

/* Some extents for a while, then others: so that those become cold. */
static void *write_much(void *arg)
{
    struct writer *w = arg;

    for (unsigned first = 0; w->waits < WAITS || atomic_load(&storm.looks) < LOOKS;
         first += WINDOW) {
        for (int i = 0; i < 50; i++)
            write_once(w, (first + (unsigned)memory_chance(&w->chance) % WINDOW) % EXTENTS);
        nap();
    }
    atomic_fetch_sub(&storm.running, 1);
    return NULL;
}

static void *take_points(void *arg)
{
    unsigned n = 0;

    (void)arg;
    for (; atomic_load(&storm.running); nap())
        if (n < POINTS) {
            storm.point[n] = map_checkpoint(storm.map);
            atomic_store(&storm.points, ++n);
        }
    return NULL;
}

static void note_inside(unsigned ret[WRITERS][EXTENTS])
{
    for (unsigned i = 0; i < WRITERS * EXTENTS; i++)
        ret[i / EXTENTS][i % EXTENTS] = atomic_load(&storm.inside[i / EXTENTS][i % EXTENTS]);
}

/* Who is in a write all the while that a copy is made must be found in it. */
static void look_at_a_crash(void)
{
    struct rig crashed = { 0 };
    unsigned before[WRITERS][EXTENTS], after[WRITERS][EXTENTS];

    note_inside(before);
    crashed.memory = memory_copy(storm.rig->memory);
    note_inside(after);
    crashed.medium = memory_medium(crashed.memory, "maps");
    if (rig_open(&crashed, map_size(storm.map)))
        abort();
    for (unsigned w = 0; w < WRITERS; w++)
        for (unsigned e = 0; e < EXTENTS; e++) {
            if (!(before[w][e] & 1) || before[w][e] != after[w][e])
                continue;
            atomic_fetch_add(&storm.looks, 1);
            if (!map_any_dirty(crashed.map, e * (uint64_t)EXTENT + w * (uint64_t)GRANULE, 1))
                abort();
        }
    map_abandon(crashed.map);
    text_finish(&crashed.why);
    free(crashed.found.problem);
    crashed.medium->close(crashed.medium);
    memory_destroy(crashed.memory);
}

static void *rule(void *arg)
{
    uint64_t g = 0, size = map_size(storm.map);

    (void)arg;
    for (unsigned round = 0; atomic_load(&storm.running); round++) {
        map_durable(storm.map, atomic_load(&storm.lsn));
        for (int i = 0; i < 20; i++, g++)
            if (map_next_dirty(storm.map, g, &g) == 0)
                map_taken(storm.map, g);
            else
                g = 0;
        map_sure(storm.map);
        if (round % 8 == 0 && map_sync(storm.map))
            abort();
        if (round % 64 == 0 && size < 2 * GIB && map_grow(storm.map, size += 300 * MIB))
            abort();
        look_at_a_crash();
    }
    return NULL;
}

/* The last point is enough: what changed after it did so after all before it. */
static void judge(const struct writer *w)
{
    for (unsigned e = 0; e < EXTENTS; e++) {
        const uint64_t at = e * (uint64_t)EXTENT + w->number * (uint64_t)GRANULE;
        assert_true(w->left[e] < 2 || has_changed(at, w->left[e] - 2));
    }
}

static void judge_counts(void)
{
    const size_t bytes = map_size(storm.map) / GRANULE / 8 + 1;
    uint8_t *bits = malloc(bytes);
    uint64_t sum = 0;

    map_bitmap(storm.map, bits, bytes, 0);
    for (size_t i = 0; i < bytes; i++)
        sum += (uint64_t)__builtin_popcount(bits[i]);
    assert_int_equal(map_dirty(storm.map), sum);
    map_sure(storm.map);
    assert_int_equal(map_unsure(storm.map), sum);
    free(bits);
}

static void test_a_storm(void **state)
{
    struct rig *r = *state;
    struct map_setup setup = { r->medium, "map", GIB, 4, false };
    struct writer w[WRITERS] = { 0 };
    pthread_t writer[WRITERS], ruler, taker;

    storm.rig = r;
    assert_int_equal(map_open(&setup, &storm.map, &r->found, &r->why), 0);
    atomic_store(&storm.running, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i].number = i;
        w[i].chance = i + 1;
        assert_int_equal(pthread_create(&writer[i], NULL, write_much, &w[i]), 0);
    }
    assert_int_equal(pthread_create(&ruler, NULL, rule, NULL), 0);
    assert_int_equal(pthread_create(&taker, NULL, take_points, NULL), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writer[i], NULL);
    pthread_join(ruler, NULL);
    pthread_join(taker, NULL);
    for (unsigned i = 0; i < WRITERS; i++)
        judge(&w[i]);
    judge_counts();
    map_durable(storm.map, atomic_load(&storm.lsn));
    const uint64_t dirty = map_unsure(storm.map);
    setup.size = map_size(storm.map);
    assert_int_equal(map_close(storm.map), 0);
    assert_int_equal(map_open(&setup, &storm.map, &r->found, &r->why), 0);
    assert_false(r->found.unclean);
    assert_int_equal(r->found.dirty, dirty);
    for (unsigned i = 0; i < WRITERS; i++)
        judge(&w[i]);
    assert_int_equal(map_close(storm.map), 0);
}

/* The intents go by themselves. */
static void test_the_threads_do_what_is_done_by_hand_elsewhere(void **state)
{
    struct rig *r = *state;
    const struct map_setup setup = { r->medium, "map", GIB, 4, false };

    assert_int_equal(map_open(&setup, &storm.map, &r->found, &r->why), 0);
    enter(0, 4096);
    assert_int_equal(map_intents(storm.map), 1);
    map_leave(storm.map, 0, 4096, 1);
    map_durable(storm.map, 1);
    while (map_intents(storm.map))
        sched_yield();
    for (uint32_t last = 0; last < 9000;) /* and epochs are reserved */
        last = map_checkpoint(storm.map).epoch;
    map_abandon(storm.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(test_a_storm),
        RIG(test_the_threads_do_what_is_done_by_hand_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
