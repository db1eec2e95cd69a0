/* lives-stream.c - does the source know what the target has, and what of it counts?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each function is a short life of both sites that makes just such a sequence of events happen, at
 * random places, as would show that a step of step.h is left out. */
#include "script.h"

#include <unistd.h>

/* ---- PART_WHILE_DIRTY, WAIT_FOR_COMPLETE -------------------------------------------------------
 *
 * The copier is busy with one granule while another is dirty, and what is written there is not
 * sent; a later write to a third one is.  The target has that, and is promoted. */

static void wait_for_word(void *unused)
{
    (void)unused;
    atomic_store(&race.read, true);
    within_ms(2000, may_go_on, NULL);
}

unsigned live_set_not_whole(uint64_t *chance, int mode)
{
    enum { PER_GRANULE = 65536 / LEDGER_BLOCK };
    const uint64_t first = memory_chance(chance) % (BLOCKS / 2);
    const struct operation busy = write_at(0, memory_chance(chance)), dirty = write_at(1, first),
                           later = write_at(1, first + PER_GRANULE + memory_chance(chance) % 64);
    struct moment *m = &world.moment[0];
    struct waiter w[2];

    life_begin(mode, false, 16 << 20, 0);
    atomic_store(&race.read, false);
    atomic_store(&race.may_go_on, false);
    world.source->on_read = wait_for_word; /* nothing is dirty: the copier reads nothing now */
    write_and_refuse(&busy);
    within_ms(1000, was_read, NULL);
    write_and_refuse(&dirty);
    waiter_begin(&w[0], &dirty);
    within_ms(10, is_answered, &w[0]);
    waiter_begin(&w[1], &later);
    within_ms(10, is_answered, &w[1]);
    uint64_t lsn = source_look(world.source).lsn;
    within_ms(500, is_received, &lsn);
    within_ms(10, is_answered, &w[1]);
    note_moment(m);
    atomic_store(&race.may_go_on, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(w[i].thread, NULL);
    life_go_on();
    judge_failover(m, MEMORY_ALL, 0);
    judge_return(m, MEMORY_ALL, (int)(memory_chance(chance) % 4), memory_chance(chance));
    life_end();
    return 2;
}

/* ---- KEEP_UNTIL_DURABLE ------------------------------------------------------------------------
 *
 * The target has received writes, and does not get them onto its medium; a flush of a sync disk
 * must wait for that.  Then the target loses power. */

unsigned live_received_only(uint64_t *chance)
{
    const struct operation flush = { .disk = (uint32_t)(memory_chance(chance) % SITE_DISKS),
                                     .kind = KIND_FLUSH };
    struct moment *m = &world.moment[0];
    struct operation op;
    struct waiter writer, w;

    life_begin(1, false, 16 << 20, 0);
    target_hold_syncs(world.target, true);
    bool received = true;
    for (uint64_t n = 1 + memory_chance(chance) % 4; received && n; n--) {
        op = write_at(flush.disk, memory_chance(chance));
        waiter_begin(&writer, &op);
        /* else its frame asks to be durable, as one does from time to time, and there is no reply
         */
        received = within_ms(500, is_answered, &writer);
        if (received)
            pthread_join(writer.thread, NULL);
    }
    waiter_begin(&w, &flush);
    within_ms(20, is_answered, &w);
    note_moment(m);
    target_hold_syncs(world.target, false);
    if (!received)
        pthread_join(writer.thread, NULL);
    pthread_join(w.thread, NULL);
    life_go_on();
    judge_failover(m, MEMORY_SYNCED, 0);
    judge_failover(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), memory_chance(chance));
    judge_return(m, MEMORY_ALL, MEMORY_SYNCED, memory_chance(chance));
    life_end();
    return 3;
}

/* ---- DIRTY_UNTIL_COMPLETE ----------------------------------------------------------------------
 *
 * A copy is under way, and a state(k) before it becomes durable; the map is written as it is then,
 * and the source dies before the copy arrives. */

unsigned live_copy_under_way(uint64_t *chance)
{
    const unsigned disk = (unsigned)(memory_chance(chance) % SITE_DISKS);
    const struct operation first = write_at(disk, memory_chance(chance)),
                           second = write_at(disk + 1, memory_chance(chance));
    struct network *n = &world.network;
    struct moment *m = &world.moment[0];

    life_begin(0, false, 16 << 20, 0);
    usleep(110000); /* so that the next frame asks to be durable, and needs no flush behind it */
    within_ms(200, has_no_intents, NULL);
    atomic_store(&n->hold_from, atomic_load(&n->farthest) + 1);
    guest_ask(&first);
    within_ms(1000, is_sent, NULL);
    uint64_t lsn = source_look(world.source).lsn, farthest = atomic_load(&n->farthest);
    write_and_refuse(&second);
    within_ms(1000, is_copied, NULL);
    atomic_store(&n->hold_from, farthest + 1);
    within_ms(200, is_settled, &lsn);
    within_ms(200, has_no_intents, NULL);
    usleep(20000); /* a round of the map's keeper */
    note_moment(m);
    atomic_store(&n->hold_from, 0);
    life_go_on();
    judge_return(m, MEMORY_ALL, MEMORY_ALL, memory_chance(chance));
    judge_return(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), MEMORY_ALL,
                 memory_chance(chance));
    life_end();
    return 2;
}

/* ---- COPY_BEHIND_GATE --------------------------------------------------------------------------
 *
 * The copier has read a granule; before it puts it into the stream a guest writes there, and that
 * is not sent, for the granule is dirty. */

static void wait_for_writer(void *unused)
{
    (void)unused;
    if (atomic_exchange(&race.read, true))
        return;
    within_ms(20, is_answered, &race.writer);
}

unsigned live_write_behind_reader(uint64_t *chance)
{
    const struct operation op = write_anywhere(chance);

    life_begin(0, false, 16 << 20, 0);
    atomic_store(&race.read, false);
    atomic_store(&race.writer.answered, false);
    /* nothing is dirty: the copier reads nothing now */
    world.source->on_read = wait_for_writer;
    write_and_refuse(&op);
    within_ms(1000, was_read, NULL);
    waiter_begin(&race.writer, &op);
    pthread_join(race.writer.thread, NULL);
    life_go_on();
    life_end();
    return 1;
}
