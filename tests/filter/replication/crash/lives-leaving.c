/* lives-leaving.c - may a disk leave its group while another one has all of them handed over?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "script.h"

#include <pthread.h>
#include <stdlib.h>

enum { LEAVES = 0, ASKS = 1 };

static struct {
    pthread_t thread;
    atomic_bool begun, left;
} leaver;

static void *leave(void *unused)
{
    (void)unused;
    source_take_disk(world.source, LEAVES);
    atomic_store(&leaver.left, true);
    return NULL;
}

static bool has_left(void *unused)
{
    (void)unused;
    return atomic_load(&leaver.left);
}

/* The last that has joined is locked first: the other one leaves before it is its turn, if it can.
 */
static void leave_now(struct weir_below *b)
{
    if (b->number == LEAVES || atomic_exchange(&leaver.begun, true))
        return;
    if (pthread_create(&leaver.thread, NULL, leave, NULL))
        abort();                     /* a test without threads is none */
    within_ms(1000, has_left, NULL); /* it may not: so this is all of what is waited */
}

void live_leaving(uint64_t *chance)
{
    const struct operation op = write_anywhere(chance);
    char answer[SITE_WHY], why[SITE_WHY];

    life_begin(1, false, 16 << 20, 0);
    guest_ask(&op);
    world.source->on_lock = leave_now;
    const int r = source_verb(world.source, ASKS, "handover", answer);
    if (!atomic_load(&leaver.begun))
        fail_with_status("nothing was locked", world.source, 0);
    pthread_join(leaver.thread, NULL);
    if (r && atomic_load(&world.source->disk[ASKS].locked))
        fail("not handed over, and locked", answer, 0);
    if (source_give_disk(world.source, LEAVES, why))
        fail("the disk does not come back", why, 0);
    if (!r && !within_ms(20000, is_locked, world.source))
        fail("handed over, and a disk that comes back is served", answer, 0);
    if (r)
        wait_in_step(world.source, 0);
    life_end();
}
