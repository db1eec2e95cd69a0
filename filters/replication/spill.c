/* spill.c - where do batches wait for a target that is slow or away?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In a file that is a ring: batches go in and are given back in the order of their LSNs.  It is not
 * read after a restart (the map says what the target lacks), so nothing of it is ever synced. */
#include "replication.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int spill_open(struct group *g, struct weir_text *why)
{
    struct medium *m = NULL;
    int r;

    if (!g->config.spill)
        return 0;
    r = *g->config.spill_folder ? medium_open(g->config.spill_folder, &m, why) : 0;
    if (r)
        return r;
    if (!m) /* where the first disk keeps what it must not forget */
        for (unsigned i = 0; i < DISKS && !g->spill; i++)
            if (g->disks[i])
                return g->disks[i]->medium->open(g->disks[i]->medium, "spill", MEDIUM_CREATE,
                                                 &g->spill);
    char name[NAME_LENGTH + 8];
    snprintf(name, sizeof name, "spill.%02x%02x%02x%02x", g->record.source[0], g->record.source[1],
             g->record.source[2], g->record.source[3]);
    r = m->open(m, name, MEDIUM_CREATE | MEDIUM_EXCLUSIVE, &g->spill);
    if (r) {
        weir_print(why, "spill_folder %s: %s cannot be made: %s", g->config.spill_folder, name,
                   strerror(-r));
        m->close(m);
        return r;
    }
    g->spill_medium = m;
    return g->spill->truncate(g->spill, 0);
}

void spill_close(struct group *g)
{
    if (g->spill) {
        g->spill->truncate(g->spill, 0);
        g->spill->close(g->spill);
    }
    if (g->spill_medium)
        g->spill_medium->close(g->spill_medium);
    g->spill = NULL;
    g->spill_medium = NULL;
    g->spill_head = g->spill_tail = 0;
}

/* Where so many bytes go next: never across the end. */
static uint64_t place_for(const struct group *g, size_t bytes)
{
    uint64_t at = g->spill_head % g->config.spill;

    return at + bytes <= g->config.spill ? g->spill_head : g->spill_head + (g->config.spill - at);
}

bool spill_has_room(const struct group *g, size_t bytes)
{
    return g->spill && !g->spill_failed && bytes <= g->config.spill &&
           place_for(g, bytes) + bytes - g->spill_tail <= g->config.spill;
}

int spill_out(struct group *g, struct batch *b)
{
    uint64_t at;

    pthread_mutex_lock(&g->lock);
    at = place_for(g, b->used);
    pthread_mutex_unlock(&g->lock);
    int r =
        file_write(g->spill, b->bytes + FRAME_HEADER + BATCH_TABLE, b->used, at % g->config.spill);
    pthread_mutex_lock(&g->lock);
    if (r) {
        g->spill_failed = true; /* the ring and the map have to do */
        pthread_mutex_unlock(&g->lock);
        return r;
    }
    b->on_spill = true;
    b->spill_at = at;
    b->state = BATCH_SPILLED;
    g->spill_head = at + b->used;
    g->in_memory -= b->allocated;
    free(b->bytes);
    b->bytes = NULL;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

int spill_in(struct group *g, struct batch *b)
{
    uint8_t *bytes = malloc(b->allocated);

    if (!bytes)
        return -ENOMEM;
    int r = file_read(g->spill, bytes + FRAME_HEADER + BATCH_TABLE, b->used,
                      b->spill_at % g->config.spill);
    if (r) {
        free(bytes);
        return r;
    }
    pthread_mutex_lock(&g->lock);
    b->bytes = bytes;
    b->state = BATCH_CLOSED;
    g->in_memory += b->allocated;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

void spill_forget(struct group *g, const struct batch *b)
{
    g->spill_tail = b->spill_at + b->used;
}
