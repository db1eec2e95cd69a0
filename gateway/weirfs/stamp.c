/* stamp.c - when did a policy change, for editors that compare times before they save?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stamp.h"

#include "../scope.h"

#include <stdint.h>
#include <string.h>

enum { STAMPS = 4096 }; /* more: all are forgotten, and look as if they changed now */

struct stamp {
    struct stamp *next;
    char *path;
    uint64_t hash;
    struct timespec changed;
};

/* One for the process: paths are those of its one mount. */
static struct {
    pthread_mutex_t lock; /* all; nothing is taken under it */
    struct stamp *list;
    size_t count;
    struct timespec start;
} stamps = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void forget(void)
{
    while (stamps.list) {
        struct stamp *s = stamps.list;
        stamps.list = s->next;
        free(s->path);
        free(s);
    }
    stamps.count = 0;
}

static struct stamp *find_or_add(const char *path)
{
    struct stamp *s;

    for (s = stamps.list; s; s = s->next)
        if (strcmp(s->path, path) == 0)
            return s;
    if (stamps.count >= STAMPS)
        forget();
    s = calloc(1, sizeof(*s));
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return NULL;
    }
    s->next = stamps.list;
    stamps.list = s;
    stamps.count++;
    return s;
}

static uint64_t hash_of(const char *text, size_t size) /* FNV-1a; 0 is "never seen" */
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash | 1;
}

void stamp_of(const char *path, const char *text, size_t size, struct timespec *changed)
{
    uint64_t hash = hash_of(text, size);
    hold_lock(&stamps.lock);
    struct stamp *s = find_or_add(path);

    clock_gettime(CLOCK_REALTIME, changed);
    if (!s)
        return;
    if (s->hash != hash) {
        s->hash = hash;
        s->changed = *changed;
    }
    *changed = s->changed;
}

void stamp_start(struct timespec *start)
{
    hold_lock(&stamps.lock);

    if (!stamps.start.tv_sec)
        clock_gettime(CLOCK_REALTIME, &stamps.start);
    *start = stamps.start;
}

void stamp_finish(void)
{
    hold_lock(&stamps.lock);

    forget();
}
