/* test-meet.c - what counts as received when a target is met again, and what if it cannot be asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fetch.h"
#include "link.h"
#include "medium-memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what handshake.c and fetch.c ask of others -----------------------------------------------
 */

/* A target that has no status, or this one; its needs can be asked for so often. */
static const struct status *there;
static unsigned needs_left;

int link_open(const struct link_setup *setup, struct link **ret, char why[WHY])
{
    (void)setup;
    (void)ret;
    (void)why;
    return 0;
}

void link_close(struct link *l)
{
    (void)l;
}

int link_read_head(struct link *l, unsigned disk, void *data, size_t length, uint64_t offset,
                   void (*done)(void *arg, int error), void *arg)
{
    (void)l;
    (void)disk;
    (void)offset;
    memset(data, 0, length);
    done(arg, 0);
    return 0;
}

int link_status(struct link *l, struct status *ret, char why[WHY])
{
    (void)l;
    (void)why;
    if (!there)
        return -ENOTSUP;
    *ret = *there;
    return 0;
}

int link_command(struct link *l, const struct command *c, const struct frame_key *key)
{
    (void)l;
    (void)c;
    (void)key;
    return there ? 0 : -ENOTSUP;
}

int link_needs(struct link *l, unsigned disk, uint64_t size, uint8_t **bits, size_t *bytes)
{
    (void)l;
    (void)disk;
    if (!needs_left)
        return -ENOMEM;
    needs_left--;
    *bytes = bitmap_bytes(bitmap_granules(size));
    *bits = calloc(1, *bytes);
    return *bits ? 0 : -ENOMEM;
}

struct command command_of(const struct group *g, enum command_op op)
{
    (void)g;
    return (struct command){ .op = op };
}

int record_save(struct group *g)
{
    (void)g;
    return 0;
}

unsigned group_disks(struct group *g, struct disk *list[DISKS])
{
    list[0] = g->disks[0];
    return g->disks[0] != NULL;
}

void group_rest(struct group *g, uint64_t ns)
{
    (void)g;
    (void)ns;
}

bool is_all_zero(const uint8_t *data, size_t length)
{
    (void)data;
    (void)length;
    return true;
}

void status_heard(struct group *g, const struct status *said)
{
    g->peer = *said;
}

void group_say(struct group *g, enum weir_severity severity, const char *format, ...)
{
    (void)g;
    (void)severity;
    (void)format;
}

void group_stop_for(struct group *g, enum stop stop, const char *format, ...)
{
    (void)g;
    (void)stop;
    (void)format;
}

void why_print(char why[WHY], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, WHY, format, arguments);
    va_end(arguments);
}

void stream_drop(struct group *g)
{
    (void)g;
}

void ack_settle(struct group *g)
{
    (void)g;
}

/* ---- the tests --------------------------------------------------------------------------------
 */

/* It was received, and not flushed: a target that was killed has lost it.  So it is sent again, and
 * until then a flush is about less. */
static void test_what_was_not_flushed_is_not_received(void **state)
{
    struct group g = {
        .received_lsn = 9,
        .complete_lsn = 9,
        .durable_lsn = 5,
        .complete_durable = 5,
        .record = { .synced = true, .lineage = { .count = 1, .list = { { .id = 7 } } } },
    };
    struct batch b = { .state = BATCH_RECEIVED, .frame = { .first_lsn = 6, .last_lsn = 9 } };

    (void)state;
    pthread_mutex_init(&g.lock, NULL);
    g.first = g.last = &b;
    assert_int_equal(handshake(&g, NULL, NULL), 0);
    assert_int_equal(b.state, BATCH_CLOSED);
    assert_int_equal(g.received_lsn, 5);
    assert_int_equal(g.flushed_lsn, 5);
    assert_int_equal(g.complete_lsn, 5);
    pthread_mutex_destroy(&g.lock);
}

/* 1 MiB and a bit, of which nothing is dirty here. */
static void with_disk(struct group *g, struct disk *d, struct memory *memory)
{
    const struct map_setup setup = { .medium = memory_medium(memory, "state"),
                                     .name = "map",
                                     .size = (1 << 20) + 512,
                                     .manual = true };
    struct map_found found;

    assert_int_equal(map_open(&setup, &d->map, &found, NULL), 0);
    for (uint64_t n = 0; n < bitmap_granules(setup.size); n++)
        map_taken(d->map, n);
    map_sure(d->map);
    d->group = g;
    d->medium = setup.medium;
    atomic_store(&d->size, setup.size);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    g->disks[0] = d;
}

static void without_disk(struct group *g, struct memory *memory)
{
    map_abandon(g->disks[0]->map);
    g->disks[0]->medium->close(g->disks[0]->medium);
    memory_destroy(memory);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    there = NULL;
}

/* There was no memory for what the target needs: nothing is met, and it is said why. */
static void test_needs_that_cannot_be_learnt_end_the_meeting(void **state)
{
    struct memory *memory = memory_create();
    struct disk d = { 0 };
    struct group g = { .record = { .lineage = { .count = 1, .list = { { .id = 7 } } } } };
    const struct status target = { .needs = 1 };
    char why[WHY] = "";

    (void)state;
    with_disk(&g, &d, memory);
    there = &target;
    needs_left = 0;
    assert_int_equal(handshake(&g, NULL, why), -ENOMEM);
    assert_string_equal(why, "what the target needs cannot be learnt: Cannot allocate memory");
    assert_int_equal(g.token, 0);
    needs_left = 1;
    assert_int_equal(handshake(&g, NULL, why), 0);
    without_disk(&g, memory);
}

/* In the first round there is no bitmap yet, in the second one the first round's. */
static void test_a_round_without_its_work_ends_the_fetch(void **state)
{
    for (unsigned rounds = 0; rounds < 2; rounds++) {
        struct memory *memory = memory_create();
        struct disk d = { 0 };
        struct group g = { .record = { .fetch = FETCH_RUNNING } };
        const struct status target = { .role = ROLE_PRIMARY, .disk_bytes = (1 << 20) + 512 };
        char why[WHY] = "";

        (void)state;
        with_disk(&g, &d, memory);
        there = &target;
        needs_left = rounds;
        g.fetch_left = 99;
        assert_int_equal(fetch_run(&g, NULL, why), -ENOMEM);
        assert_string_equal(why, "what is to be fetched cannot be learnt: Cannot allocate memory");
        assert_int_equal(g.fetch_left, 0);
        assert_int_equal(g.record.fetch, FETCH_RUNNING);
        without_disk(&g, memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs_that_cannot_be_learnt_end_the_meeting),
        cmocka_unit_test(test_a_round_without_its_work_ends_the_fetch),
        cmocka_unit_test(test_what_was_not_flushed_is_not_received),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
