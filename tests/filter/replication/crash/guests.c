/* guests.c - who writes, and what were they told?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint32_t note_sent(const struct operation *op)
{
    pass_still(NULL);
    pthread_mutex_lock(&world.lock);
    uint32_t id = ++world.ids;
    if (world.events + 2 * GUESTS > EVENTS - 1)
        atomic_store(&world.stop, true);
    world.op[id - 1] = *op;
    world.event[world.events++] = (struct event){ id, SENT };
    pthread_mutex_unlock(&world.lock);
    return id;
}

static void note_ended(uint32_t id, int error)
{
    pass_still(NULL);
    pthread_mutex_lock(&world.lock);
    world.event[world.events++] = (struct event){ id, error ? REFUSED : ACKED };
    pthread_mutex_unlock(&world.lock);
}

/* ---- one request --------------------------------------------------------------------------- */

static void begin_asking(void)
{
    pthread_mutex_lock(&world.lock);
    while (world.halted)
        pthread_cond_wait(&world.asked, &world.lock);
    world.asking++;
    pthread_mutex_unlock(&world.lock);
}

static void end_asking(void)
{
    pthread_mutex_lock(&world.lock);
    world.asking--;
    pthread_cond_broadcast(&world.asked);
    pthread_mutex_unlock(&world.lock);
}

void guests_halt(bool halt)
{
    const struct timespec limit = { .tv_sec = time(NULL) + PATIENCE_S };

    pthread_mutex_lock(&world.lock);
    world.halted = halt;
    while (halt && world.asking)
        if (pthread_cond_timedwait(&world.asked, &world.lock, &limit))
            fail_with_status("guests are not answered", world.source, 0);
    pthread_cond_broadcast(&world.asked);
    pthread_mutex_unlock(&world.lock);
}

static void make_blocks(const struct operation *op, uint32_t id, uint8_t *data)
{
    for (uint64_t i = 0; i < op->length / LEDGER_BLOCK; i++) {
        const struct ledger_name name = {
            .run = 1, .disk = op->disk, .block = op->offset / LEDGER_BLOCK + i, .id = id
        };
        ledger_block_write(&name, data + i * LEDGER_BLOCK);
    }
}

int guest_ask(const struct operation *op)
{
    const enum weir_op kind = op->kind == KIND_WRITE  ? WEIR_WRITE
                              : op->kind == KIND_ZERO ? WEIR_ZERO
                              : op->kind == KIND_TRIM ? WEIR_TRIM
                                                      : WEIR_FLUSH;
    uint8_t *data = kind == WEIR_WRITE ? malloc(op->length) : NULL;

    begin_asking();
    uint32_t id = note_sent(op);
    if (data)
        make_blocks(op, id, data);
    int error = source_request(world.source, op->disk, kind, data, op->length, op->offset, op->fua);
    note_ended(id, error);
    end_asking();
    free(data);
    return error;
}

/* ---- guests at random ---------------------------------------------------------------------- */

static void make_operation(uint64_t *chance, struct operation *op)
{
    uint64_t luck = memory_chance(chance) % 100, blocks = 1 + memory_chance(chance) % 4;
    const int spared = atomic_load(&world.spared);

    if (luck % 16 == 0)
        blocks = 1 + memory_chance(chance) % LONGEST;
    uint64_t first = memory_chance(chance) % BLOCKS;
    if (first + blocks > BLOCKS)
        blocks = BLOCKS - first;
    *op = (struct operation){
        .disk = (uint32_t)(memory_chance(chance) % SITE_DISKS),
        .kind = luck < 80   ? KIND_WRITE
                : luck < 84 ? KIND_ZERO
                : luck < 88 ? KIND_TRIM
                            : KIND_FLUSH,
        .fua = luck < 6,
        .offset = first * LEDGER_BLOCK,
        .length = blocks * LEDGER_BLOCK,
    };
    if ((int)op->disk == spared)
        op->disk = (op->disk + 1) % SITE_DISKS;
    if (op->kind == KIND_FLUSH)
        op->offset = op->length = 0;
}

static void *guest(void *arg)
{
    uint64_t chance = world.seed + (uintptr_t)arg * 7919;
    struct operation op;

    while (!atomic_load(&world.stop)) {
        make_operation(&chance, &op);
        guest_ask(&op);
        if (memory_chance(&chance) % 8 == 0)
            usleep((useconds_t)(memory_chance(&chance) % 300));
    }
    return NULL;
}

void guest_begin(pthread_t guests[GUESTS])
{
    atomic_store(&world.stop, false);
    for (uintptr_t i = 0; i < GUESTS; i++)
        if (pthread_create(&guests[i], NULL, guest, (void *)i))
            abort(); /* a test without threads is none */
}

void guest_end(pthread_t guests[GUESTS])
{
    atomic_store(&world.stop, true);
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(guests[i], NULL);
}
