/* script.c - with what is a short life of both sites scripted, and which are there?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "script.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- guests of these ----------------------------------------------------------------------- */

struct operation write_at(unsigned disk, uint64_t block)
{
    return (struct operation){ .disk = disk % SITE_DISKS,
                               .kind = KIND_WRITE,
                               .offset = block % BLOCKS * LEDGER_BLOCK,
                               .length = LEDGER_BLOCK };
}

struct operation write_anywhere(uint64_t *chance)
{
    const unsigned disk = (unsigned)memory_chance(chance);

    return write_at(disk, memory_chance(chance));
}

static void *waiter_main(void *arg)
{
    struct waiter *w = arg;

    guest_ask(&w->op);
    atomic_store(&w->answered, true);
    return NULL;
}

void waiter_begin(struct waiter *w, const struct operation *op)
{
    w->op = *op;
    atomic_store(&w->answered, false);
    if (pthread_create(&w->thread, NULL, waiter_main, w))
        abort(); /* a test without threads is none */
}

bool is_answered(void *w)
{
    return atomic_load(&((struct waiter *)w)->answered);
}

bool within_ms(unsigned ms, bool (*is)(void *arg), void *arg)
{
    for (unsigned i = 0; i < ms * 2; i++) {
        if (is(arg))
            return true;
        usleep(500);
    }
    return is(arg);
}

void write_and_refuse(const struct operation *op)
{
    atomic_store(&world.source->lies, 1);
    guest_ask(op);
    atomic_store(&world.source->lies, 0);
}

struct race race;

bool was_read(void *unused)
{
    (void)unused;
    return atomic_load(&race.read);
}

bool may_go_on(void *unused)
{
    (void)unused;
    return atomic_load(&race.may_go_on);
}

/* ---- what is waited for -------------------------------------------------------------------- */

bool is_sent(void *unused)
{
    (void)unused;
    return source_look(world.source).all_sent;
}

bool is_settled(void *lsn)
{
    return source_look(world.source).complete_durable >= *(uint64_t *)lsn;
}

bool has_no_intents(void *unused)
{
    (void)unused;
    return !source_look(world.source).intents;
}

bool is_copied(void *unused)
{
    const struct sight at = source_look(world.source);

    (void)unused;
    return !at.dirty && at.all_sent;
}

bool is_received(void *lsn)
{
    return source_look(world.source).received >= *(uint64_t *)lsn;
}

bool is_locked(void *source)
{
    return source_look(source).locked;
}

bool is_in_step(void *unused)
{
    (void)unused;
    return source_look(world.source).in_step;
}

/* ---- all of them --------------------------------------------------------------------------- */

unsigned live_by_script(uint64_t *chance)
{
    return live_set_not_whole(chance, 0) + live_set_not_whole(chance, 1) +
           live_received_only(chance) + live_copy_under_way(chance) + live_one_leaves(chance) +
           live_write_behind_reader(chance) + live_alone(chance, 0) + live_alone(chance, 1) +
           live_since_record(chance) + live_fenced(chance) + live_cold(chance);
}
