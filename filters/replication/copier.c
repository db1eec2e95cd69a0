/* copier.c - how does the target get what it lacks, and how are both compared?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread per group goes over the dirty granules, disk by disk, in order of offset.  While it
 * reads a run of them the gate keeps writes to them away, so what it puts into the stream is what
 * the disk holds at that LSN.  It rests while the ring is rather full: what it would put in would
 * only push out what guests write. */
#include "replication.h"
#include "step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 1 << 20 }; /* bytes that are read at a time, at most */

/* ---- what is next ------------------------------------------------------------------------ */

static bool may_copy(const struct group *g)
{
    return g->started && g->connected && !g->lost && !g->stop && !g->holding && !g->ahead &&
           group_whole(g) && g->in_memory <= g->config.ring / 4 * 3;
}

struct piece {
    struct disk *disk;
    uint64_t offset;
    size_t length;
    bool verify;
};

/* What goes into one frame. */
static uint64_t run_length(const struct group *g)
{
    return g->config.frame < RUN ? g->config.frame : RUN;
}

/* From the cursor on, then from the start. */
static bool next_dirty(struct group *g, struct piece *p)
{
    for (unsigned i = 0; i < DISKS; i++) {
        struct disk *d = g->disks[i];
        uint64_t n;
        if (!d || atomic_load(&d->drained) || !map_dirty(d->map) ||
            (map_next_dirty(d->map, d->cursor, &n) && map_next_dirty(d->map, 0, &n)))
            continue;
        uint64_t size = atomic_load(&d->size), end = n + 1;
        while ((end - n) * GRANULE < run_length(g) && end * GRANULE < size &&
               map_any_dirty(d->map, end * GRANULE, 1))
            end++;
        if (end * GRANULE > size && n * GRANULE >= size)
            continue;
        d->cursor = end;
        p->disk = d;
        p->offset = n * GRANULE;
        p->length = (end * GRANULE < size ? end * GRANULE : size) - p->offset;
        p->verify = false;
        return true;
    }
    return false;
}

static bool next_verify(struct group *g, struct piece *p)
{
    if (g->verify_done >= g->verify_total)
        return false;
    for (unsigned i = 0; i < DISKS; i++) {
        struct disk *d = g->disks[i];
        uint64_t size = d ? atomic_load(&d->size) : 0;
        if (!d || atomic_load(&d->drained) || d->verify_at >= size)
            continue;
        p->disk = d;
        p->offset = d->verify_at;
        p->length = size - p->offset < GRANULE ? size - p->offset : GRANULE;
        p->verify = true;
        d->verify_at += p->length;
        g->verify_done += p->length;
        return true;
    }
    g->verify_done = g->verify_total;
    return false;
}

/* ---- one piece ----------------------------------------------------------------------------- */

bool is_all_zero(const uint8_t *data, size_t length)
{
    return !length || (!data[0] && !memcmp(data, data + 1, length - 1));
}

static int put_verify(struct piece *p, const void *data)
{
    uint64_t digest = digest_of(data, p->length);
    struct record r = { .op = RECORD_VERIFY, .length = (uint32_t)p->length, .offset = p->offset };
    bool sent;

    uint64_t lsn = stream_record(p->disk, &r, &digest, false, &sent);
    pthread_mutex_lock(&p->disk->group->lock);
    if (sent)
        p->disk->group->verify_lsn = lsn;
    pthread_mutex_unlock(&p->disk->group->lock);
    return sent ? 0 : -EAGAIN;
}

static int put_copy(struct piece *p, const uint8_t *data)
{
    bool zero = is_all_zero(data, p->length);
    struct record r = {
        .op = zero ? RECORD_ZERO : RECORD_WRITE,
        .length = (uint32_t)p->length,
        .offset = p->offset,
    };

    int r1 = stream_copy(p->disk, &r, zero ? NULL : data);
    if (!r1) {
        struct replication_stats *stats = weir_own_stats(p->disk->below);
        weir_add(&stats->copied_bytes, p->length);
    }
    return r1;
}

static int copy(struct piece *p, uint8_t *data)
{
    struct disk *d = p->disk;

    if (source_does(COPY_BEHIND_GATE))
        gate_close(&d->gate, p->offset, p->length);
    int r = weir_read(d->below, data, p->length, p->offset, WEIR_BACKGROUND);
    if (!r)
        r = p->verify ? put_verify(p, data) : put_copy(p, data);
    request_retry(gate_open(&d->gate));
    return r;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

/* How long after that many bytes, so that the guests keep their part. */
static uint64_t pace(const struct group *g, size_t bytes)
{
    return g->config.resync_bandwidth ? bytes * SECOND_NS / g->config.resync_bandwidth : 0;
}

/* Under the lock.  What wakes the copier otherwise, each write among it, does not cut it short; but
 * another rate counts at once. */
static void keep_pace(struct group *g, size_t bytes)
{
    const uint64_t from = now_ns();

    for (uint64_t until; !g->stopping && now_ns() < (until = from + pace(g, bytes));)
        cond_wait_until(&g->copy, &g->lock, until);
}

void *copier_main(void *arg)
{
    struct group *g = arg;
    uint8_t *data = malloc(RUN);
    struct piece p;

    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        stream_look_for_room(g);
        if (!data || !may_copy(g) || (!next_dirty(g, &p) && !next_verify(g, &p))) {
            g->hungry = group_dirty(g) || g->verify_done < g->verify_total;
            cond_wait_until(&g->copy, &g->lock, now_ns() + SECOND_NS);
            continue;
        }
        g->copying++;
        pthread_mutex_unlock(&g->lock);
        int r = copy(&p, data);
        pthread_mutex_lock(&g->lock);
        g->copying--;
        pthread_cond_broadcast(&g->changed);
        if (r && p.verify) {
            p.disk->verify_at -= p.length;
            g->verify_done -= p.length;
        }
        if (r && r != -EAGAIN)
            snprintf(g->error, sizeof g->error, "the disk cannot be read at %llu: %s",
                     (unsigned long long)p.offset, strerror(-r));
        if (r)
            cond_wait_until(&g->copy, &g->lock, now_ns() + 100000000);
        else
            keep_pace(g, p.length);
    }
    pthread_mutex_unlock(&g->lock);
    free(data);
    return NULL;
}
