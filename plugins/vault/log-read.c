/* log-read.c - how is a frame read back?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CACHED = 16, CACHED_BYTES = 32 << 20 };

/* Headers, and payloads of compressed frames, that were read last. */
struct log_cache {
    pthread_mutex_t lock; /* guards all here; innermost, no I/O under it */
    uint64_t tick;
    size_t bytes;
    struct cached {
        uint64_t position, used; /* used 0: nothing is in it */
        struct frame frame;
        void *payload; /* NULL: it is not compressed */
    } entry[CACHED];
};

/* ---- one place ------------------------------------------------------------------------------ */

/* Bytes of the log, from a segment that stays there meanwhile.  -ENODATA: not there (any more). */
static int read_bytes(struct log *log, void *data, size_t length, uint64_t position)
{
    int r = -ENODATA;

    pthread_mutex_lock(&log->lock);
    struct segment *s = position >= log->trimmed ? segment_find(log, position) : NULL;
    if (s) {
        s->users++;
        pthread_mutex_unlock(&log->lock);
        r = segment_read(s, data, length, position);
        pthread_mutex_lock(&log->lock);
        s->users--;
        pthread_cond_broadcast(&log->changed);
    }
    pthread_mutex_unlock(&log->lock);
    return r;
}

static int header_at(struct log *log, uint64_t position, uint8_t header[FRAME_HEADER],
                     struct frame *ret, uint64_t *digest)
{
    if (position % FRAME_ALIGN)
        return -ENODATA;
    int r = read_bytes(log, header, FRAME_HEADER, position);
    if (!r)
        r = frame_read(header, ret, NULL);
    if (!r && ret->position != position)
        r = -ENODATA; /* a frame of another place, in somebody's data */
    if (!r)
        *digest = frame_digest(header);
    return r;
}

int read_header(struct log *log, uint64_t position, struct frame *ret, uint64_t *digest)
{
    uint8_t header[FRAME_HEADER];

    return header_at(log, position, header, ret, digest);
}

int read_frame(struct log *log, uint64_t position, struct frame *ret, uint64_t *digest,
               void **payload)
{
    uint8_t header[FRAME_HEADER];
    int r = header_at(log, position, header, ret, digest);

    if (r)
        return r;
    const size_t length = frame_span(ret) - FRAME_HEADER;
    void *body = malloc(length);
    if (!body)
        return -ENOMEM;
    r = read_bytes(log, body, length, position + FRAME_HEADER);
    if (!r) /* its tag was judged when it came */
        r = frame_unpack(ret, header, body, length, NULL, payload, NULL);
    free(body);
    return r;
}

/* The next one is right behind the end or, where it did not fit, at the next segment's start. */
int read_next(struct log *log, struct log_end *end, struct frame *ret, void **payload)
{
    const uint64_t segment = segment_floor(end->position + SEGMENT - 1);
    const uint64_t place[] = { end->position, segment };
    uint64_t digest;

    for (unsigned i = 0; i < 2; i++) {
        int r = read_frame(log, place[i], ret, &digest, payload);
        if (r == -ENODATA || r == -EBADMSG)
            continue;
        if (r)
            return r;
        if (ret->previous == end->last_position && ret->previous_digest == end->last_digest &&
            ret->first_lsn > end->last_lsn &&
            frame_place(end->position, frame_span(ret)) == place[i]) {
            *end = (struct log_end){ .position = place[i] + frame_span(ret),
                                     .last_position = place[i],
                                     .last_digest = digest,
                                     .last_lsn = ret->last_lsn };
            return 0;
        }
        free(*payload);
    }
    return -ENODATA;
}

/* ---- what is kept -----------------------------------------------------------------------------
 */

int log_cache_create(struct log_cache **ret)
{
    *ret = calloc(1, sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    pthread_mutex_init(&(*ret)->lock, NULL);
    return 0;
}

static void empty(struct log_cache *cache, struct cached *c)
{
    if (c->payload)
        cache->bytes -= c->frame.raw;
    free(c->payload);
    *c = (struct cached){ 0 };
}

void log_cache_forget(struct log_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    for (unsigned i = 0; i < CACHED; i++)
        empty(cache, &cache->entry[i]);
    pthread_mutex_unlock(&cache->lock);
}

void log_cache_destroy(struct log_cache *cache)
{
    if (!cache)
        return;
    log_cache_forget(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* With its lock. */
static struct cached *look(struct log_cache *cache, uint64_t position)
{
    for (unsigned i = 0; i < CACHED; i++) {
        struct cached *c = &cache->entry[i];
        if (c->used && c->position == position) {
            c->used = ++cache->tick;
            return c;
        }
    }
    return NULL;
}

static struct cached *oldest(struct log_cache *cache)
{
    struct cached *c = &cache->entry[0];

    for (unsigned i = 1; i < CACHED; i++)
        if (cache->entry[i].used < c->used)
            c = &cache->entry[i];
    return c;
}

/* With its lock.  Takes the payload; compressed frames only have one. */
static void keep(struct log_cache *cache, const struct frame *frame, void *payload)
{
    struct cached *c;

    if (look(cache, frame->position)) { /* somebody else has read it, too */
        free(payload);
        return;
    }
    do {
        c = oldest(cache);
        empty(cache, c);
    } while (payload && cache->bytes && cache->bytes + frame->raw > CACHED_BYTES);
    *c = (struct cached){ frame->position, ++cache->tick, *frame, payload };
    if (payload)
        cache->bytes += frame->raw;
}

/* ---- the log's own ----------------------------------------------------------------------------
 */

static bool is_received(struct log *log, uint64_t position)
{
    pthread_mutex_lock(&log->lock);
    const bool is = position < log->received.position && position >= log->trimmed;
    pthread_mutex_unlock(&log->lock);
    return is;
}

int log_read_frame(struct log *log, uint64_t position, struct frame *ret, void **payload)
{
    uint64_t digest;

    return is_received(log, position) ? read_frame(log, position, ret, &digest, payload) : -ENODATA;
}

/* The frame at `position` is in the cache, and its lock is held, if that is 0. */
static int cache_get(struct log *log, uint64_t position, struct cached **ret)
{
    struct frame frame;
    uint64_t digest;
    void *payload = NULL;
    int r;

    pthread_mutex_lock(&log->cache->lock);
    *ret = look(log->cache, position);
    if (*ret)
        return 0;
    pthread_mutex_unlock(&log->cache->lock);
    r = is_received(log, position) ? read_header(log, position, &frame, &digest) : -ENODATA;
    if (!r && frame.flags & FRAME_ZSTD)
        r = read_frame(log, position, &frame, &digest, &payload);
    if (r)
        return r;
    pthread_mutex_lock(&log->cache->lock);
    keep(log->cache, &frame, payload);
    *ret = look(log->cache, position);
    return 0;
}

int log_read_data(struct log *log, uint64_t position, uint64_t at, void *data, size_t length)
{
    struct cached *c;
    bool done = false;
    int r = cache_get(log, position, &c);

    if (r)
        return r;
    if (at > c->frame.raw || length > c->frame.raw - at) {
        r = -ENODATA;
    } else if (c->payload) {
        memcpy(data, (const char *)c->payload + at, length);
        done = true;
    }
    pthread_mutex_unlock(&log->cache->lock);
    return r || done ? r : read_bytes(log, data, length, position + FRAME_HEADER + at);
}

int log_scan(struct log *log, uint64_t from, uint64_t to,
             int (*each)(void *arg, const struct frame *, const void *payload), void *arg)
{
    uint64_t digest;
    struct frame frame;
    void *payload;
    int r = 0;

    while (!r && from < to && is_received(log, from)) {
        r = read_frame(log, from, &frame, &digest, &payload);
        if (r == -ENODATA && from % SEGMENT) { /* the next one did not fit behind the last */
            from = segment_floor(from + SEGMENT);
            r = 0;
            continue;
        }
        if (r)
            return r;
        r = each(arg, &frame, payload);
        free(payload);
        from += frame_span(&frame);
    }
    return r;
}
