/* test-stream.c - does a record find its place, whatever becomes of ring and spill file meanwhile?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium-memory.h"
#include "replication.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { K = 1024, M = 1024 * K, FRAME = 64 * K };

/* ---- what stream.c and spill.c ask of others --------------------------------------------- */

uint64_t group_dirty(struct group *g)
{
    return map_dirty(g->disks[0]->map);
}

bool group_whole(const struct group *g)
{
    (void)g;
    return true;
}

/* ---- a group of one disk, which nobody sends ----------------------------------------------- */

struct rig {
    struct memory *memory;
    struct medium *medium;
    struct disk disk;
    struct group group;
};

static void rig_init(struct rig *r)
{
    struct map_setup setup = { .name = "map", .size = 16 * M, .manual = true };
    struct map_found found;

    *r = (struct rig){ .memory = memory_create() };
    setup.medium = r->medium = memory_medium(r->memory, "state");
    assert_int_equal(map_open(&setup, &r->disk.map, &found, NULL), 0);
    for (uint64_t n = 0; n < 16 * M / GRANULE; n++)
        map_taken(r->disk.map, n);
    r->disk.group = &r->group;
    r->disk.medium = r->medium;
    r->group.disks[0] = &r->disk;
    r->group.config = (struct replication_config){
        .ring = 8 * M, .frame = FRAME, .spill = M, .spill_folder = ""
    };
    r->group.started = true;
    r->group.reserved = LSN_AHEAD;
    pthread_mutex_init(&r->group.lock, NULL);
    pthread_cond_init(&r->group.work, NULL);
    pthread_cond_init(&r->group.changed, NULL);
    assert_int_equal(spill_open(&r->group, NULL), 0);
}

static void rig_finish(struct rig *r)
{
    pthread_mutex_lock(&r->group.lock);
    stream_drop(&r->group);
    pthread_mutex_unlock(&r->group.lock);
    while (r->group.spares)
        free(r->group.spare[--r->group.spares]);
    spill_close(&r->group);
    map_abandon(r->disk.map);
    pthread_cond_destroy(&r->group.changed);
    pthread_cond_destroy(&r->group.work);
    pthread_mutex_destroy(&r->group.lock);
    r->medium->close(r->medium);
    memory_destroy(r->memory);
}

static uint64_t put(struct rig *r, uint64_t offset, size_t length, bool *sent)
{
    struct record record = { .op = RECORD_WRITE, .length = (uint32_t)length, .offset = offset };
    char *data = malloc(length);

    memset(data, 0x5a, length);
    uint64_t lsn = stream_record(&r->disk, &record, data, false, sent);
    free(data);
    return lsn;
}

/* ---- dropping -------------------------------------------------------------------------------- */

struct dropping {
    struct group *group;
    pthread_t thread;
    bool begun; /* with the lock */
};

static void *drop(void *arg)
{
    struct dropping *d = arg;

    pthread_mutex_lock(&d->group->lock);
    d->begun = true;
    stream_drop(d->group);
    pthread_mutex_unlock(&d->group->lock);
    return NULL;
}

/* While a drop waits for one that copies its bytes the lock is free, and another write may open a
 * batch: that one is dropped, too, and nobody writes into it any more. */
static void test_a_write_that_comes_into_a_drop(void **state)
{
    struct rig r;
    struct dropping d = { .group = &r.group };
    bool sent;

    (void)state;
    rig_init(&r);
    put(&r, 0, 4 * K, &sent);
    assert_true(sent);
    struct batch *first = r.group.open;
    atomic_fetch_add(&first->copying, 1); /* a writer is at its memcpy() */
    assert_int_equal(pthread_create(&d.thread, NULL, drop, &d), 0);
    pthread_mutex_lock(&r.group.lock);
    while (!d.begun) {
        pthread_mutex_unlock(&r.group.lock);
        sched_yield();
        pthread_mutex_lock(&r.group.lock);
    }
    pthread_mutex_unlock(&r.group.lock);
    put(&r, M, 4 * K, &sent); /* the drop waits: it has let go of the lock */
    pthread_mutex_lock(&r.group.lock);
    atomic_fetch_sub(&first->copying, 1);
    pthread_cond_broadcast(&r.group.work);
    pthread_mutex_unlock(&r.group.lock);
    pthread_join(d.thread, NULL);
    assert_null(r.group.open);
    assert_null(r.group.first);
    assert_true(map_any_dirty(r.disk.map, 0, 1));
    assert_true(map_any_dirty(r.disk.map, M, 1));
    put(&r, 2 * M, 4 * K, &sent);
    assert_true(sent);
    rig_finish(&r);
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* A flush waits for the last LSN that was given: nothing but what is in the stream or in the map
 * may have one. */
static void test_what_is_not_taken_has_no_number(void **state)
{
    struct rig r;
    struct record mark = { .op = RECORD_MARK };
    bool sent;

    (void)state;
    rig_init(&r);
    assert_int_equal(put(&r, 0, 4 * K, &sent), 1);
    r.group.stop = STOP_DETACHED;
    stream_record(&r.disk, &mark, NULL, false, &sent);
    assert_false(sent);
    assert_int_equal(r.group.lsn, 1);
    assert_int_equal(put(&r, M, 4 * K, &sent), 2); /* is dirty, and so will be there */
    assert_false(sent);
    assert_int_equal(r.group.lsn, 2);
    rig_finish(&r);
}

/* The record that reserves LSNs cannot be saved: one that a crash would give again is not sent. */
static void test_nothing_is_sent_with_a_number_that_is_not_reserved(void **state)
{
    struct rig r;
    struct record copy = { .op = RECORD_WRITE, .length = 4 * K, .offset = M };
    char data[4 * K] = { 1 };
    bool sent;

    (void)state;
    rig_init(&r);
    r.group.reserved = 3;
    put(&r, 0, 4 * K, &sent);
    assert_true(sent);
    assert_int_equal(put(&r, 0, 4 * K, &sent), 2);
    assert_true(sent);
    assert_int_equal(put(&r, M, 4 * K, &sent), 3);
    assert_false(sent);
    assert_true(map_any_dirty(r.disk.map, M, 4 * K));
    assert_int_equal(stream_copy(&r.disk, &copy, data), -EAGAIN);
    assert_true(map_any_dirty(r.disk.map, M, 4 * K));
    r.group.reserved = LSN_AHEAD;
    assert_int_equal(stream_copy(&r.disk, &copy, data), 0);
    assert_int_equal(copy.lsn, 4);
    put(&r, 2 * M, 4 * K, &sent);
    assert_true(sent);
    rig_finish(&r);
}

/* ---- the spill file
 * ------------------------------------------------------------------------------ */

static struct batch *full_batch(struct rig *r, uint64_t offset)
{
    bool sent;

    put(r, offset, FRAME, &sent);
    assert_true(sent);
    struct batch *b = r->group.open;
    pthread_mutex_lock(&r->group.lock);
    stream_close_open(&r->group);
    pthread_mutex_unlock(&r->group.lock);
    return b;
}

/* A file that takes no more is left alone until it is empty; what it has is read as before. */
static void test_a_spill_file_that_fails(void **state)
{
    const int errors[] = { EIO, ENOSPC };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig r;
        rig_init(&r);
        struct batch *first = full_batch(&r, 0), *second = full_batch(&r, M);
        assert_int_equal(spill_out(&r.group, first), 0);
        memory_fail(r.memory, MEMORY_CALL_WRITE, "spill", 0, 1, errors[i]);
        assert_int_equal(spill_out(&r.group, second), -errors[i]);
        assert_non_null(second->bytes);
        assert_false(spill_has_room(&r.group, FRAME));
        stream_look_for_room(&r.group);
        assert_false(spill_has_room(&r.group, FRAME)); /* not while something is in it */
        assert_int_equal(spill_in(&r.group, first), 0);
        assert_int_equal(first->bytes[FRAME_HEADER + BATCH_TABLE + FRAME - 1], 0x5a);
        pthread_mutex_lock(&r.group.lock);
        stream_drop(&r.group);
        stream_look_for_room(&r.group);
        assert_true(spill_has_room(&r.group, FRAME));
        pthread_mutex_unlock(&r.group.lock);
        rig_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_write_that_comes_into_a_drop),
        cmocka_unit_test(test_what_is_not_taken_has_no_number),
        cmocka_unit_test(test_nothing_is_sent_with_a_number_that_is_not_reserved),
        cmocka_unit_test(test_a_spill_file_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
