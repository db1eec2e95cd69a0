/* test-meet.c - what counts as received when a plain target is met again?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- what handshake.c asks of others: a target that has no status --------------------------- */

int link_status(struct link *l, struct status *ret, char why[WHY])
{
    (void)l;
    (void)ret;
    (void)why;
    return -ENOTSUP;
}

int link_command(struct link *l, const struct command *c, const struct frame_key *key)
{
    (void)l;
    (void)c;
    (void)key;
    return -ENOTSUP;
}

int link_needs(struct link *l, unsigned disk, void *bitmap, size_t length, uint64_t from)
{
    (void)l;
    (void)disk;
    (void)bitmap;
    (void)length;
    (void)from;
    return -ENOTSUP;
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
    (void)g;
    (void)list;
    return 0;
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
    (void)why;
    (void)format;
}

void stream_drop(struct group *g)
{
    (void)g;
}

void ack_settle(struct group *g)
{
    (void)g;
}

/* ---- the test -----------------------------------------------------------------------------------
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_not_flushed_is_not_received),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
