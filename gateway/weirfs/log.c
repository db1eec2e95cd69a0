/* log.c - what has happened in all gateways, as one file that grows?
 * SPDX-License-Identifier: BSD-3-Clause */
#define FUSE_USE_VERSION 312
#include "log.h"

#include "../scope.h"

#include <errno.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <string.h>

/* When the text gets longer, its older half is dropped, as when a log is rotated. */
enum { LOG_BYTES = 1 << 20 };

struct log_reader {
    struct log_reader *next;
    uint64_t base, seen; /* in bytes since the first line ever */
    struct fuse_pollhandle *handle;
};

/* One for the process: a mount has one `events`. */
static struct {
    pthread_mutex_t lock; /* all below and the readers; the last to be taken */
    char *text;
    size_t length, capacity;
    uint64_t dropped; /* bytes before text[0] */
    struct timespec changed;
    struct log_reader *readers;
    bool muted;
    unsigned telling; /* threads that tell the kernel now */
    pthread_cond_t told;
} events = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };

/* ---- growing; the lock is held ----------------------------------------------- */

static bool make_room(size_t more)
{
    if (events.length + more <= events.capacity)
        return true;
    size_t capacity = events.capacity ? events.capacity * 2 : 4096;
    while (capacity < events.length + more)
        capacity *= 2;
    char *bigger = realloc(events.text, capacity);
    if (!bigger)
        return false;
    events.text = bigger;
    events.capacity = capacity;
    return true;
}

static void rotate(void)
{
    const char *half = memchr(events.text + events.length / 2, '\n', events.length / 2);
    size_t cut = half ? (size_t)(half + 1 - events.text) : events.length;

    memmove(events.text, events.text + cut, events.length - cut);
    events.length -= cut;
    events.dropped += cut;
}

/* Where a line of this time belongs.  What a reader may have read stays as it is; before
 * that, the gateways' lines are in the order of their times. */
static size_t place_of(const char *line, size_t length)
{
    size_t at = events.length;

    if (events.readers)
        return at;
    while (at) {
        const char *before = memrchr(events.text, '\n', at - 1);
        size_t start = before ? (size_t)(before + 1 - events.text) : 0;
        const char *space = memchr(line, ' ', length);
        size_t stamp = space ? (size_t)(space - line) : length;
        if (stamp > at - start)
            stamp = at - start;
        if (memcmp(events.text + start, line, stamp) <= 0)
            break;
        at = start;
    }
    return at;
}

size_t log_add(const char *gateway, const char *line)
{
    size_t length = strcspn(line, "\n");
    size_t stamp = strncmp(line, "time=", 5) == 0 ? strcspn(line, " \n") : 0;
    cleanup_free char *whole = NULL;
    int size = asprintf(&whole, "%.*s%sgateway=%s%s%.*s\n", (int)stamp, line, stamp ? " " : "",
                        gateway, stamp ? "" : " ", (int)(length - stamp), line + stamp);

    if (size < 0) {
        whole = NULL;
        return 0;
    }
    hold_lock(&events.lock);
    if (!make_room((size_t)size))
        return 0;
    size_t at = place_of(whole, (size_t)size);
    memmove(events.text + at + size, events.text + at, events.length - at);
    memcpy(events.text + at, whole, (size_t)size);
    events.length += (size_t)size;
    clock_gettime(CLOCK_REALTIME, &events.changed);
    if (events.length > LOG_BYTES)
        rotate();
    return 1;
}

void log_size(size_t *size, struct timespec *changed)
{
    hold_lock(&events.lock);

    *size = events.length;
    *changed = events.changed;
}

void log_finish(void)
{
    hold_lock(&events.lock);

    free(events.text);
    events.text = NULL;
    events.length = events.capacity = 0;
}

/* ---- readers ----------------------------------------------------------------- */

int log_open(struct log_reader **ret)
{
    struct log_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return -ENOMEM;
    hold_lock(&events.lock);
    reader->base = reader->seen = events.dropped;
    reader->next = events.readers;
    events.readers = reader;
    *ret = reader;
    return 0;
}

void log_close(struct log_reader *reader)
{
    {
        hold_lock(&events.lock);
        struct log_reader **at = &events.readers;
        while (*at != reader)
            at = &(*at)->next;
        *at = reader->next;
    }
    if (reader->handle)
        fuse_pollhandle_destroy(reader->handle);
    free(reader);
}

size_t log_read(struct log_reader *reader, char *buffer, size_t size, uint64_t offset)
{
    hold_lock(&events.lock);
    uint64_t at = reader->base + offset, end = events.dropped + events.length;

    if (at < events.dropped)
        at = events.dropped; /* rotated away while this reader slept */
    if (at >= end)
        return 0;
    if (size > end - at)
        size = (size_t)(end - at);
    memcpy(buffer, events.text + (at - events.dropped), size);
    if (reader->seen < at + size)
        reader->seen = at + size;
    return size;
}

bool log_poll(struct log_reader *reader, struct fuse_pollhandle *handle)
{
    struct fuse_pollhandle *old = handle;
    bool ready;

    {
        hold_lock(&events.lock);
        ready = reader->seen < events.dropped + events.length;
        if (!ready && handle) {
            old = reader->handle;
            reader->handle = handle;
        }
    }
    if (old)
        fuse_pollhandle_destroy(old);
    return ready;
}

/* One handle at a time, so that the kernel is told with the lock released. */
static struct fuse_pollhandle *tell_next(void)
{
    hold_lock(&events.lock);

    for (struct log_reader *r = events.muted ? NULL : events.readers; r; r = r->next) {
        if (!r->handle || r->seen >= events.dropped + events.length)
            continue;
        events.telling++;
        return steal(r->handle);
    }
    return NULL;
}

void log_wake(void)
{
    struct fuse_pollhandle *handle;

    while ((handle = tell_next()) != NULL) {
        fuse_notify_poll(handle);
        fuse_pollhandle_destroy(handle);
        hold_lock(&events.lock);
        events.telling--;
        pthread_cond_signal(&events.told);
    }
}

void log_mute(void)
{
    hold_lock(&events.lock);

    events.muted = true;
    while (events.telling)
        pthread_cond_wait(&events.told, &events.lock);
}
