/* map-intent.c - how do intents become durable before a write goes on?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * NAME.intent: a header, then sectors of 512 bytes: a digest, and bits of as many extents as go
 * into the rest.  A sector is old or new after a crash, so none is torn; one that is damaged is
 * read as an intent of each of its extents.  1 TiB has 66 of them. */
#include "map-private.h"

#include "encode.h"
#include "frame.h" /* digest_of() */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "weirint1";

static uint64_t sector_digest(const struct map *m, uint64_t number, const struct sector *s)
{
    uint8_t whole[16 + 8 + INTENT_BYTES];

    memcpy(whole, m->id, 16);
    put64(whole + 16, number);
    memcpy(whole + 24, s->bits, INTENT_BYTES);
    return digest_of(whole, sizeof(whole));
}

static void header_print(const struct map *m, uint8_t out[SECTOR_BYTES])
{
    memset(out, 0, SECTOR_BYTES);
    memcpy(out, magic, sizeof(magic));
    memcpy(out + 8, m->id, 16);
    put64(out + 24, digest_of(out, 24));
}

/* ---- the bits -------------------------------------------------------------------------------- */

bool intents_has(const struct map *m, uint64_t extent)
{
    const uint64_t bit = extent % INTENT_BITS;

    return m->sector[extent / INTENT_BITS].bits[bit / 8] >> bit % 8 & 1;
}

void intents_put(struct map *m, uint64_t extent, bool has)
{
    const uint64_t bit = extent % INTENT_BITS;

    if (intents_has(m, extent) == has)
        return;
    m->sector[extent / INTENT_BITS].bits[bit / 8] ^= (uint8_t)(1 << bit % 8);
    m->unwritten[extent / INTENT_BITS] = true;
    if (has)
        atomic_fetch_add(&m->intents, 1);
    else
        atomic_fetch_sub(&m->intents, 1);
}

/* Under the lock, or while nobody else is there. */
static int make_room(struct map *m, uint64_t sectors)
{
    struct sector *sector = realloc(m->sector, (sectors + 1) * sizeof(*sector));

    if (!sector)
        return -ENOMEM;
    m->sector = sector;
    bool *unwritten = realloc(m->unwritten, (sectors + 1) * sizeof(*unwritten));
    if (!unwritten)
        return -ENOMEM;
    m->unwritten = unwritten;
    for (; m->sectors < sectors; m->sectors++) {
        memset(&m->sector[m->sectors], 0, sizeof(*m->sector));
        m->unwritten[m->sectors] = false;
    }
    return 0;
}

static uint64_t sectors_of(uint64_t extents)
{
    return (extents + INTENT_BITS - 1) / INTENT_BITS;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Sectors without intents, so that room for them is taken now, and not when a write waits. */
static int write_empty(struct map *m, uint64_t from, uint64_t to)
{
    struct sector s = { 0 };
    int r = 0;

    for (; !r && from < to; from++) {
        put64(s.digest, sector_digest(m, from, &s));
        r = file_write(m->marks, &s, sizeof(s), INTENTS_AT + from * SECTOR_BYTES);
    }
    return r;
}

int intents_make(struct map *m, uint64_t extents)
{
    uint8_t header[SECTOR_BYTES];

    header_print(m, header);
    int r = make_room(m, sectors_of(extents));
    if (!r)
        r = m->marks->truncate(m->marks, 0);
    if (!r)
        r = file_write(m->marks, header, sizeof(header), 0);
    if (!r)
        r = write_empty(m, 0, m->sectors);
    return r ? r : file_sync(m->marks);
}

/* The committer does not know of them until they are there. */
int intents_grow(struct map *m, uint64_t extents)
{
    const uint64_t sectors = sectors_of(extents);

    if (sectors <= m->sectors)
        return 0;
    int r = write_empty(m, m->sectors, sectors);
    if (!r)
        r = file_sync(m->marks);
    if (r)
        return r;
    pthread_mutex_lock(&m->lock);
    r = make_room(m, sectors);
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* The next sectors that are unwritten, which lie side by side: how many; they are written now, as
 * far as the map knows. */
static unsigned next_batch(struct map *m, uint64_t *at)
{
    unsigned n = 0;

    pthread_mutex_lock(&m->lock);
    while (*at < m->sectors && !m->unwritten[*at])
        ++*at;
    for (; n < BATCH && *at + n < m->sectors && m->unwritten[*at + n]; n++) {
        m->unwritten[*at + n] = false;
        memcpy(m->sectors_out + n * SECTOR_BYTES, &m->sector[*at + n], SECTOR_BYTES);
    }
    pthread_mutex_unlock(&m->lock);
    return n;
}

int intents_write(struct map *m)
{
    uint64_t at = 0;
    int r = 0;

    for (unsigned n; !r && (n = next_batch(m, &at)) > 0; at += n) {
        for (unsigned i = 0; i < n; i++) {
            struct sector *s = (struct sector *)(m->sectors_out + i * SECTOR_BYTES);
            put64(s->digest, sector_digest(m, at + i, s));
        }
        r = file_write(m->marks, m->sectors_out, (size_t)n * SECTOR_BYTES,
                       INTENTS_AT + at * SECTOR_BYTES);
        if (!r)
            continue;
        pthread_mutex_lock(&m->lock);
        for (unsigned i = 0; i < n; i++)
            m->unwritten[at + i] = true;
        pthread_mutex_unlock(&m->lock);
    }
    return r;
}

/* ---- the committer --------------------------------------------------------------------------- */

/* Under the lock: gives the extents of who waits an intent.  True: not all of them are hot. */
static bool gather(struct map *m, const struct map_wait *w)
{
    bool cold = false;

    for (; w; w = w->next)
        for (uint64_t e = w->offset / EXTENT; e <= (w->offset + w->length - 1) / EXTENT; e++)
            if (!(atomic_load(state_of(m, e)) & HOT)) {
                intents_put(m, e, true);
                cold = true;
            }
    return cold;
}

static void let_go(struct map *m, struct map_wait *w)
{
    for (uint64_t e = w->offset / EXTENT; e <= (w->offset + w->length - 1) / EXTENT; e++)
        atomic_fetch_or(state_of(m, e), HOT);
    range_stamp(m, w->offset, w->length);
    w->ready(w, 0);
}

/* An intent that nobody has written under is none. */
static void refuse(struct map *m, struct map_wait *w, int error)
{
    pthread_mutex_lock(&m->lock);
    for (uint64_t e = w->offset / EXTENT; e <= (w->offset + w->length - 1) / EXTENT; e++)
        if (!(atomic_load(state_of(m, e)) & HOT))
            intents_put(m, e, false);
    pthread_mutex_unlock(&m->lock);
    range_leave(m, w->offset, w->length, 0);
    w->ready(w, error);
}

/* One write and one sync for all that wait.  A write that failed may be tried again by those who
 * come later (it was full, say); a sync may not. */
static int commit(struct map *m, bool cold)
{
    int r = intents_write(m);

    if (r || !cold || !does(INTENT_BEFORE_WRITE))
        return r;
    r = file_sync(m->marks);
    if (r) {
        pthread_mutex_lock(&m->lock);
        m->failed = r;
        pthread_mutex_unlock(&m->lock);
    }
    return r;
}

/* One by one: map_forget() may take any of them away meanwhile. */
static struct map_wait *next_committed(struct map *m)
{
    pthread_mutex_lock(&m->lock);
    struct map_wait *w = m->committed;
    if (w)
        m->committed = w->next;
    pthread_mutex_unlock(&m->lock);
    return w;
}

bool intents_commit(struct map *m)
{
    pthread_mutex_lock(&m->lock);
    struct map_wait *w = m->first;
    const bool some = w || m->clears;
    m->committed = w;
    m->first = NULL;
    m->last = &m->first;
    m->clears = false;
    const bool cold = gather(m, w);
    int r = m->failed;
    pthread_mutex_unlock(&m->lock);
    if (!some)
        return false;
    if (!r)
        r = commit(m, cold);
    while ((w = next_committed(m))) {
        if (!r || range_is_hot(m, w->offset, w->length))
            let_go(m, w);
        else
            refuse(m, w, r);
    }
    return true;
}

void *intents_thread(void *arg)
{
    struct map *m = arg;

    pthread_mutex_lock(&m->lock);
    while (m->first || !m->stop) {
        if (!m->first && !m->clears) {
            pthread_cond_wait(&m->commit, &m->lock);
            continue;
        }
        pthread_mutex_unlock(&m->lock);
        intents_commit(m);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---- what is found --------------------------------------------------------------------------- */

static bool sector_good(const struct map *m, uint64_t number)
{
    const struct sector *s = &m->sector[number];

    return get64(s->digest) == sector_digest(m, number, s);
}

int intents_load(struct map *m, uint64_t extents, char **problem)
{
    uint8_t want[SECTOR_BYTES], have[SECTOR_BYTES];

    header_print(m, want);
    int r = file_read(m->marks, have, sizeof(have), 0);
    if (r)
        return r;
    if (memcmp(want, have, sizeof(want)) != 0)
        return map_problem(problem, "its intents are missing, damaged, or those of another map");
    r = make_room(m, sectors_of(extents));
    if (!r)
        r = file_read(m->marks, m->sector, m->sectors * sizeof(*m->sector), INTENTS_AT);
    if (r)
        return r;
    for (uint64_t s = 0; s < m->sectors; s++)
        if (!sector_good(m, s)) {
            memset(m->sector[s].bits, 0xff, INTENT_BYTES);
            m->unwritten[s] = true;
        }
    uint64_t beyond = extents; /* nobody would take these back */
    for (; beyond < m->sectors * INTENT_BITS; beyond++)
        m->sector[beyond / INTENT_BITS].bits[beyond % INTENT_BITS / 8] &=
            (uint8_t) ~(1 << beyond % 8);
    for (uint64_t e = 0; e < extents; e++)
        if (intents_has(m, e))
            atomic_fetch_add(&m->intents, 1);
    return 0;
}
