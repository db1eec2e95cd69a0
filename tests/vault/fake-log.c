/* fake-log.c - what is a log that a test can hold in its hand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fake-log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct log {
    pthread_mutex_t lock;      /* guards all below */
    struct fake_frame **frame; /* each stays where it is */
    size_t count, room;
    uint64_t trimmed;
    void (*on_read)(void *);
    void *read_arg;
    uint64_t free;
};

static void must(bool so)
{
    if (!so)
        abort();
}

struct log *fake_log_create(void)
{
    struct log *log = calloc(1, sizeof *log);

    must(log != NULL);
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

/* With the lock. */
static struct fake_frame *another(struct log *log)
{
    if (log->count == log->room) {
        log->room = log->room ? log->room * 2 : 64;
        log->frame = realloc(log->frame, log->room * sizeof *log->frame);
        must(log->frame != NULL);
    }
    struct fake_frame *f = calloc(1, sizeof *f);
    must(f != NULL);
    return log->frame[log->count++] = f;
}

void fake_log_destroy(struct log *log)
{
    fake_log_cut(log, 0);
    free(log->frame);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

const struct fake_frame *fake_log_add(struct log *log, uint64_t position, uint32_t flags,
                                      uint64_t time, const struct fake_record *record,
                                      unsigned count)
{
    size_t size = (size_t)count * FRAME_RECORD, at = size;

    pthread_mutex_lock(&log->lock);
    must(position >= fake_log_end(log));
    for (unsigned i = 0; i < count; i++)
        size += record_data(&record[i].record);
    uint8_t *payload = calloc(1, size ? size : 1);
    must(payload != NULL);
    for (unsigned i = 0; i < count; i++) {
        const uint32_t length = record_data(&record[i].record);
        record_write(&record[i].record, payload + (size_t)i * FRAME_RECORD);
        if (record[i].data)
            memcpy(payload + at, record[i].data, length);
        at += length;
    }
    const struct fake_frame *last = log->count ? log->frame[log->count - 1] : NULL;
    struct fake_frame *f = another(log);
    *f = (struct fake_frame){ .frame = { .flags = flags,
                                         .position = position,
                                         .previous = last ? last->frame.position : 0,
                                         .first_lsn = count ? record[0].record.lsn : 0,
                                         .last_lsn = count ? record[count - 1].record.lsn : 0,
                                         .time = time,
                                         .records = count,
                                         .raw = (uint32_t)size,
                                         .stored = (uint32_t)size },
                              .payload = payload };
    must(position / SEGMENT == (position + frame_span(&f->frame) - 1) / SEGMENT);
    pthread_mutex_unlock(&log->lock);
    return f;
}

void fake_log_copy(struct log *log, const struct fake_frame *f)
{
    void *payload = malloc(f->frame.raw ? f->frame.raw : 1);
    must(payload != NULL);
    memcpy(payload, f->payload, f->frame.raw);
    *another(log) = (struct fake_frame){ .frame = f->frame, .payload = payload };
}

uint64_t fake_log_end(const struct log *log)
{
    const struct frame *last = log->count ? &log->frame[log->count - 1]->frame : NULL;

    return last ? last->position + frame_span(last) : 0;
}

size_t fake_log_frames(const struct log *log)
{
    return log->count;
}

const struct fake_frame *fake_log_frame(const struct log *log, size_t index)
{
    return log->frame[index];
}

void fake_log_cut(struct log *log, uint64_t position)
{
    while (log->count && log->frame[log->count - 1]->frame.position >= position) {
        free(log->frame[--log->count]->payload);
        free(log->frame[log->count]);
    }
}

void fake_log_set_free(struct log *log, uint64_t bytes)
{
    log->free = bytes;
}

uint64_t fake_log_trimmed(const struct log *log)
{
    return log->trimmed;
}

void fake_log_on_read(struct log *log, void (*call)(void *), void *arg)
{
    log->on_read = call;
    log->read_arg = arg;
}

/* The first frame at or behind a position; with the lock. */
static size_t first_at(struct log *log, uint64_t position)
{
    size_t low = 0, high = log->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (log->frame[middle]->frame.position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct fake_frame *find(struct log *log, uint64_t position)
{
    const struct fake_frame *found = NULL;

    pthread_mutex_lock(&log->lock);
    const size_t i = first_at(log, position);
    if (i < log->count && log->frame[i]->frame.position == position && position >= log->trimmed)
        found = log->frame[i];
    pthread_mutex_unlock(&log->lock);
    return found;
}

/* ---- vault.h ----------------------------------------------------------------------- */

int log_sync_all(struct log *log)
{
    (void)log;
    return 0;
}

int log_trim(struct log *log, uint64_t position)
{
    pthread_mutex_lock(&log->lock);
    log->trimmed = position;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

int log_catch_up(struct log *log)
{
    (void)log;
    return 0;
}

uint64_t log_used(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t used = fake_log_end(log) - log->trimmed;
    pthread_mutex_unlock(&log->lock);
    return used;
}

uint64_t log_free_bytes(struct log *log)
{
    return log->free;
}

int log_read_frame(struct log *log, uint64_t position, struct frame *ret, void **payload)
{
    const struct fake_frame *f = find(log, position);

    if (!f)
        return -ENODATA;
    *payload = malloc(f->frame.raw ? f->frame.raw : 1);
    must(*payload != NULL);
    memcpy(*payload, f->payload, f->frame.raw);
    *ret = f->frame;
    return 0;
}

int log_read_data(struct log *log, uint64_t position, uint64_t at, void *data, size_t length)
{
    if (log->on_read)
        log->on_read(log->read_arg);
    const struct fake_frame *f = find(log, position);
    if (!f)
        return -ENODATA;
    must(at + length <= f->frame.raw);
    memcpy(data, (const uint8_t *)f->payload + at, length);
    return 0;
}

/* The frame of that number if it is before `to`. */
static const struct fake_frame *before(struct log *log, size_t i, uint64_t to)
{
    pthread_mutex_lock(&log->lock);
    const struct fake_frame *f = i < log->count ? log->frame[i] : NULL;
    pthread_mutex_unlock(&log->lock);
    return f && f->frame.position < to ? f : NULL;
}

int log_scan(struct log *log, uint64_t from, uint64_t to,
             int (*each)(void *arg, const struct frame *, const void *payload), void *arg)
{
    const struct fake_frame *f;
    int r = 0;

    pthread_mutex_lock(&log->lock);
    size_t i = first_at(log, from > log->trimmed ? from : log->trimmed);
    pthread_mutex_unlock(&log->lock);
    for (; !r && (f = before(log, i, to)); i++)
        r = each(arg, &f->frame, f->payload);
    return r;
}
