/* log.h - what do the parts of a group's log know of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   trimmed ……… handed ……… durable ……… received  [missing]  ahead …  at most LOG_AHEAD further
 *
 * Frames arrive in any order.  Each is written where it belongs; `received` is the end of what
 * follows without a gap and by the chain of digests (log-receive.c).  One sync for whoever waits
 * makes that durable (log-sync.c), and only then frames are handed over, in order: what applies
 * them may write to heads that a crash leaves, and no head may hold what the log can lose. */
#ifndef WEIR_VAULT_LOG_H
#define WEIR_VAULT_LOG_H

#include "step.h"
#include "vault.h"

#include <pthread.h>

struct segment {
    uint64_t start; /* position */
    uint64_t size;  /* bytes of the file: up to the end of the last frame that was written */
    struct medium_file *file;
    unsigned users; /* who does I/O to it without the lock */
    bool unsynced;
    /* The log went on with the next segment: what lies at and behind `cut_at` must not be found
     * there again, and is cut by the next sync. */
    bool cut;
    uint64_t cut_at;
    struct segment *next; /* ascending */
};

/* A frame that arrived. */
struct arrival {
    struct frame frame;
    uint64_t end, digest;
    void *payload; /* NULL: to be read back */
    size_t bytes;  /* of payload */
    bool written;  /* else somebody is at it */
    struct arrival *next;
};

struct log {
    struct log_setup setup;
    /* Guards all below, but what cache_lock guards; the innermost of a group's locks; no I/O under
     * it: whoever does some counts as a user of the segment, or as `syncing`, or `handing`. */
    pthread_mutex_t lock;
    pthread_cond_t work;    /* of its thread alone: there is something for it to do */
    pthread_cond_t changed; /* everybody else's */
    bool lingering;         /* the thread lets what came last wait for more */
    struct segment *segments;
    bool unsynced_names; /* of segments */
    uint64_t trimmed;
    struct log_end received, durable, handed;
    struct arrival *ahead;                    /* ascending, not overlapping, behind `received` */
    struct arrival *waiting, *waiting_last;   /* from `handed` to `received`, in order */
    size_t waiting_bytes;                     /* of their payloads */
    unsigned writing;                         /* arrivals that are being written */
    uint64_t dropped;                         /* how often something ahead was forgotten */
    bool syncing, handing, stopping, started; /* one syncs, one hands over, for all */
    /* frame() could not: it is tried again, once a second, or at once for who is in a hurry */
    int refused; /* -errno */
    uint64_t tries;
    bool hurry;
    int error;           /* for ever; errno, negative */
    const char *problem; /* what `error`, or else `refused`, came from */
    pthread_t thread;
    struct log_cache *cache;
};

/* ---- log.c ----------------------------------------------------------------------------------- */

void log_wake(struct log *); /* with the lock: what the thread looks at has changed */

/* ---- log-segment.c: files -------------------------------------------------------------------- */

struct segment *segment_find(struct log *, uint64_t position); /* with the lock; NULL */
/* With the lock, which it lets go of to make the file. */
int segment_make(struct log *, uint64_t position, struct segment **ret);
int segments_open(struct log *, struct weir_text *why); /* at recovery: those that are there */
void segments_close(struct log *);
/* Without the lock, with a use: of what lies before the segment's size, zeroes behind it. */
int segment_read(struct segment *, void *data, size_t length, uint64_t position);
/* With the lock, which it lets go of: nothing lies at or behind `position` any more, durably. */
int segments_cut(struct log *, uint64_t position);

/* With the lock: bytes that its limit leaves. */
uint64_t log_limit_room(const struct log *);

/* ---- log-sync.c ------------------------------------------------------------------------------ */

/* With the lock, which they let go of. */
int sync_to(struct log *, uint64_t position); /* `received` must be there already */
bool hand_over(struct log *);                 /* one frame that is durable; false: none was */
/* With the lock: no more frames, for ever.  The first problem stays. */
void log_fail(struct log *, int error, const char *problem);
struct log_end end_of(const struct arrival *); /* the log's, behind it */
void arrival_free(struct arrival *);           /* NULL is fine */

/* ---- log-recover.c --------------------------------------------------------------------------- */

int log_recover(struct log *, struct weir_text *why);

/* ---- log-receive.c --------------------------------------------------------------------------- */

/* With the lock: all that is ahead is forgotten; nobody is writing. */
void drop_ahead(struct log *);

/* ---- log-read.c ------------------------------------------------------------------------------ */

/* The frame at `position`, if one that is whole begins there: header alone, or all of it; `limit`:
 * it ends at or before that.  -ENODATA, -EBADMSG. */
int read_header(struct log *, uint64_t position, struct frame *ret, uint64_t *digest);
int read_frame(struct log *, uint64_t position, struct frame *ret, uint64_t *digest,
               void **payload);
/* The frame that follows on `end`; moves it behind that.  -ENODATA: there is none. */
int read_next(struct log *, struct log_end *end, struct frame *ret, void **payload);
int log_cache_create(struct log_cache **ret);
void log_cache_destroy(struct log_cache *);
void log_cache_forget(struct log_cache *);

#endif
