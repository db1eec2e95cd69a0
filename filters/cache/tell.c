/* tell.c - how does the log hear that blocks have become clean, when it has no room?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is destaged makes room, so it must not need any.  Entries that the log cannot take wait
 * here; meanwhile a crash would destage the blocks again, which is no harm as long as nobody writes
 * to the store past the pool: who wants to (past.c) has them told first. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Under the lock. */
static int put_back(struct pool *p, const struct log_entry *entry, size_t count)
{
    struct log_entry *more = realloc(p->untold, (p->untolds + count) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    memcpy(more + p->untolds, entry, count * sizeof(*more));
    p->untold = more;
    p->untolds += count;
    return 0;
}

static int append(struct pool *p, struct log_entry *entry, size_t count, size_t *done)
{
    for (*done = 0; *done < count;) {
        struct log_append a = { .entry = entry + *done, .last_reserve = true };
        a.count = count - *done < RECORD_ENTRIES ? (unsigned)(count - *done) : RECORD_ENTRIES;
        int r = log_append(p->log, &a);
        if (r)
            return r;
        *done += a.count;
    }
    return 0;
}

int tell_rest(struct pool *p)
{
    size_t done;

    pthread_mutex_lock(&p->lock);
    struct log_entry *entry = p->untold;
    const size_t count = p->untolds;
    p->untold = NULL;
    p->untolds = 0;
    pthread_mutex_unlock(&p->lock);
    int r = append(p, entry, count, &done);
    if (done < count) {
        pthread_mutex_lock(&p->lock);
        if (put_back(p, entry + done, count - done))
            r = -ENOMEM;
        pthread_mutex_unlock(&p->lock);
    }
    free(entry);
    return r;
}

int tell_cleaned(struct pool *p, const struct log_entry *entry, size_t count)
{
    pthread_mutex_lock(&p->lock);
    int r = count ? put_back(p, entry, count) : 0;
    pthread_mutex_unlock(&p->lock);
    if (!r)
        r = tell_rest(p);
    return r == -EAGAIN ? 0 : r;
}
