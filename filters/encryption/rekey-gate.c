/* rekey-gate.c - with which key is a request worked on while the keys change?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rekey-gate.h"

#include <errno.h>

void gate_init(struct rekey_gate *g)
{
    *g = (struct rekey_gate){ 0 };
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->opened, NULL);
    pthread_cond_init(&g->left, NULL);
}

void gate_finish(struct rekey_gate *g)
{
    pthread_cond_destroy(&g->left);
    pthread_cond_destroy(&g->opened);
    pthread_mutex_destroy(&g->lock);
}

static bool meet(uint64_t from, uint64_t to, uint64_t other_from, uint64_t other_to)
{
    return from < other_to && other_from < to;
}

/* ---- requests -------------------------------------------------------------------- */

static int judge(const struct rekey_gate *g, uint64_t from, uint64_t to, uint64_t *split)
{
    if (meet(from, to, g->barred_from, g->barred_to))
        return -EIO;
    *split = atomic_load(&g->position);
    return 0;
}

int gate_read_begins(struct rekey_gate *g, struct rekey_read *read, uint64_t from, uint64_t to,
                     uint64_t *split)
{
    pthread_mutex_lock(&g->lock);
    while (meet(from, to, g->closed_from, g->closed_to))
        pthread_cond_wait(&g->opened, &g->lock);
    int r = judge(g, from, to, split);
    if (!r) {
        *read = (struct rekey_read){ .from = from, .to = to, .later = g->reads };
        if (g->reads)
            g->reads->earlier = read;
        g->reads = read;
    }
    pthread_mutex_unlock(&g->lock);
    return r;
}

void gate_read_ends(struct rekey_gate *g, struct rekey_read *read)
{
    if (!read->to)
        return;
    pthread_mutex_lock(&g->lock);
    *(read->earlier ? &read->earlier->later : &g->reads) = read->later;
    if (read->later)
        read->later->earlier = read->earlier;
    if (meet(read->from, read->to, g->closed_from, g->closed_to))
        pthread_cond_signal(&g->left);
    read->to = 0;
    pthread_mutex_unlock(&g->lock);
}

int gate_write(struct rekey_gate *g, uint64_t from, uint64_t to, uint64_t *split)
{
    pthread_mutex_lock(&g->lock);
    int r = judge(g, from, to, split);
    pthread_mutex_unlock(&g->lock);
    return r;
}

/* ---- who converts ---------------------------------------------------------------- */

static bool being_read(const struct rekey_gate *g, uint64_t from, uint64_t to)
{
    for (const struct rekey_read *r = g->reads; r; r = r->later)
        if (meet(from, to, r->from, r->to))
            return true;
    return false;
}

void gate_close(struct rekey_gate *g, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&g->lock);
    g->closed_from = from;
    g->closed_to = to;
    while (being_read(g, from, to))
        pthread_cond_wait(&g->left, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

void gate_open(struct rekey_gate *g, uint64_t position)
{
    pthread_mutex_lock(&g->lock);
    g->closed_from = g->closed_to = 0;
    atomic_store(&g->position, position);
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->lock);
}

void gate_bar(struct rekey_gate *g, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&g->lock);
    g->barred_from = from;
    g->barred_to = to;
    pthread_mutex_unlock(&g->lock);
}
