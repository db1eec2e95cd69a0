/* log-segment.c - in which files does a log lie?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 32 };

static void segment_name(uint64_t start, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, "log.%016" PRIx64, start);
}

/* false: it is no name of a segment. */
static bool segment_parse(const char *name, uint64_t *start)
{
    char again[NAME_ROOM];

    if (strncmp(name, "log.", 4) != 0)
        return false;
    *start = strtoull(name + 4, NULL, 16);
    segment_name(*start, again);
    return strcmp(name, again) == 0 && *start % SEGMENT == 0;
}

struct segment *segment_find(struct log *log, uint64_t position)
{
    struct segment *s = log->segments;

    while (s && s->start < segment_floor(position))
        s = s->next;
    return s && s->start == segment_floor(position) ? s : NULL;
}

static void insert(struct log *log, struct segment *s)
{
    struct segment **at = &log->segments;

    while (*at && (*at)->start < s->start)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
}

static int open_file(struct log *log, uint64_t start, unsigned flags, struct segment **ret)
{
    struct segment *s = calloc(1, sizeof(*s));
    char name[NAME_ROOM];

    if (!s)
        return -ENOMEM;
    segment_name(start, name);
    s->start = start;
    int r = log->setup.medium->open(log->setup.medium, name, flags, &s->file);
    if (!r)
        r = s->file->size(s->file, &s->size);
    if (r) {
        if (s->file)
            s->file->close(s->file);
        free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void close_segment(struct segment *s)
{
    s->file->close(s->file);
    free(s);
}

int segment_make(struct log *log, uint64_t position, struct segment **ret)
{
    struct segment *s = segment_find(log, position);
    int r;

    if (s) {
        *ret = s;
        return 0;
    }
    pthread_mutex_unlock(&log->lock);
    r = open_file(log, segment_floor(position), MEDIUM_CREATE, &s);
    pthread_mutex_lock(&log->lock);
    if (r)
        return r;
    if (segment_find(log, position)) { /* another was quicker: it is the same file */
        close_segment(s);
        s = segment_find(log, position);
    } else {
        insert(log, s);
        log->unsynced_names = true;
    }
    *ret = s;
    return 0;
}

/* ---- all of them -------------------------------------------------------------------------- */

struct finding {
    struct log *log;
    struct weir_text *why;
};

static int found(void *arg, const char *name)
{
    struct finding *f = arg;
    struct log *log = f->log;
    struct segment *s;
    uint64_t start;
    int r;

    if (!segment_parse(name, &start))
        return 0;
    if (start < segment_floor(log->trimmed)) /* a crash came between the record and its removal */
        return log->setup.medium->remove(log->setup.medium, name);
    r = open_file(log, start, 0, &s);
    if (r) {
        weir_print(f->why, "the segment %s of the log cannot be opened: %s", name, strerror(-r));
        return r;
    }
    insert(log, s);
    return 0;
}

int segments_open(struct log *log, struct weir_text *why)
{
    struct finding f = { log, why };

    return log->setup.medium->list(log->setup.medium, found, &f);
}

void segments_close(struct log *log)
{
    for (struct segment *s = log->segments, *next; s; s = next) {
        next = s->next;
        close_segment(s);
    }
    log->segments = NULL;
}

int segment_read(struct segment *s, void *data, size_t length, uint64_t position)
{
    return file_read(s->file, data, length, position - s->start);
}

/* ---- giving back -------------------------------------------------------------------------- */

/* With the lock, which it lets go of: the file of a segment that is in the list no more. */
static int remove_segment(struct log *log, struct segment *s)
{
    char name[NAME_ROOM];
    int r;

    while (s->users)
        pthread_cond_wait(&log->changed, &log->lock);
    pthread_mutex_unlock(&log->lock);
    segment_name(s->start, name);
    close_segment(s);
    r = log->setup.medium->remove(log->setup.medium, name);
    pthread_mutex_lock(&log->lock);
    return r;
}

int log_trim(struct log *log, uint64_t position)
{
    int r = 0;

    pthread_mutex_lock(&log->lock);
    if (position > log->trimmed)
        log->trimmed = position;
    while (!r && log->segments && log->segments->start + SEGMENT <= position) {
        struct segment *s = log->segments;
        log->segments = s->next;
        r = remove_segment(log, s);
    }
    pthread_mutex_unlock(&log->lock);
    return r;
}

/* With the lock, which it lets go of. */
static int truncate_segment(struct log *log, struct segment *s, uint64_t size)
{
    int r;

    s->users++;
    pthread_mutex_unlock(&log->lock);
    r = s->file->truncate(s->file, size);
    if (!r && does(LOG_CUT_SYNC))
        r = s->file->sync(s->file);
    pthread_mutex_lock(&log->lock);
    s->users--;
    if (!r)
        s->size = size;
    pthread_cond_broadcast(&log->changed);
    return r;
}

/* The first segment of which something lies at or behind `position`. */
static struct segment *beyond(struct log *log, uint64_t position)
{
    struct segment *s = log->segments;

    while (s && s->start < position && s->start + s->size <= position)
        s = s->next;
    return s;
}

static void unlink_segment(struct log *log, struct segment *s)
{
    struct segment **at = &log->segments;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
}

int segments_cut(struct log *log, uint64_t position)
{
    struct segment *s;
    bool names = false;
    int r = 0;

    while (!r && (s = beyond(log, position))) { /* anew: the lock was free meanwhile */
        if (s->start < position) {
            r = truncate_segment(log, s, position - s->start);
        } else {
            unlink_segment(log, s);
            r = remove_segment(log, s);
            names = true;
        }
    }
    if (r || !names || !does(LOG_CUT_SYNC))
        return r;
    pthread_mutex_unlock(&log->lock);
    r = log->setup.medium->sync(log->setup.medium);
    pthread_mutex_lock(&log->lock);
    return r;
}
