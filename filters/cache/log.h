/* log.h - how does a block get into the log, and in which order?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Appends that come while one is being written share the next record, its one page of head and its
 * one write: a record at a time is under way, so the order of records is the order in which appends
 * return, and a crash leaves a beginning of that order.
 *
 * An epoch is what one log_sync() has made durable.  A record says its epoch and the last durable
 * one: a reader knows by it how far damage is damage, and from where on it is just the end.
 *
 * Positions: format.h.  Records from `tail` to `head` are in force.  A segment before the tail is
 * written over only when a super block that says so is durable: log_free(). */
#ifndef CACHE_LOG_H
#define CACHE_LOG_H

#include "format.h"

#include <pthread.h>

struct media;

/* What a record says, 16 bytes each. */
enum entry_type {
    ENTRY_CLEAN = 1, /* a block of the disk, as the store has it.  A page follows. */
    ENTRY_DIRTY,     /* a block that the store does not have yet.  A page follows. */
    ENTRY_OVER,      /* the same, and older dirty ones of the block are still to reach the store
                        before it (order = ordered); after DIRTY they are void.  A page follows. */
    ENTRY_STALE,     /* what was to be CLEAN or carried, and is not any more.  A page follows. */
    ENTRY_DROP,      /* clean blocks of `key` that the log and the slots have are void */
    ENTRY_CLEANED,   /* the dirty block at `place` is durable on the store */
    ENTRY_INTENT,  /* `key`: a region (intent.h) that the store is being written in past the pool */
    ENTRY_INTENTS, /* `key`: no intents at positions before it are in force */
};

static inline bool entry_has_page(unsigned type)
{
    return type >= ENTRY_CLEAN && type <= ENTRY_STALE;
}

struct log_entry {
    uint64_t key;
    uint32_t crc;   /* of the page that follows (block_crc); CLEANED: of the one at `place` */
    uint32_t place; /* where that page is: set by log_append(); CLEANED: given */
    uint8_t type;
    uint8_t mask; /* the sectors of the page that count */
};

struct log_append {
    struct log_entry *entry;
    unsigned count;          /* up to RECORD_ENTRIES */
    const void *const *page; /* for each entry that has one, in turn */
    bool last_reserve;       /* it may take what is kept for the pool's own entries */
    void *owner;             /* the caller's, for seal() and install() */
    bool begins;             /* a record: what came before is installed when it is sealed */

    /* log.c alone */
    struct log_append *next;
    pthread_cond_t *wake;
    unsigned pages, bytes; /* that it takes of a record and of the segment's summary */
    int error;
    enum { APPEND_WAITS, APPEND_LEADS, APPEND_DONE } state;
};

struct log;
struct log_place {
    uint64_t tail, head; /* positions */
    uint64_t epoch;      /* of the next record */
    uint64_t durable_epoch;
    uint64_t durable_head; /* position: what is before it is durable */
    uint64_t sequence;     /* of the next record: log.c and log-read.c alone */
};
/* Both are called for each append in the order of the log, by one thread at a time, which holds
 * none of the log's locks: seal() when its record is about to be written, places are set and
 * nothing else gets between (it may turn CLEAN and DIRTY into STALE); install() once it is written,
 * before log_append() returns. */
struct log_user {
    void (*seal)(void *arg, struct log_append *);
    void (*install)(void *arg, struct log_append *);
    void *arg;
};
/* Begins at `place`, which log_read() has found, in super's incarnation, and takes note of that in
 * super, which the caller saves before he moves the tail.  What was read is durable from here on.
 */
int log_create(struct media *, struct super *, const struct log_place *place,
               const struct log_user *, struct log **ret);
void log_destroy(struct log *);

/* 0 when the append is written and installed (durable only after log_sync()).  -EAGAIN: there is no
 * room before the tail moves; nothing has happened.  Another -errno: the medium; then nothing can
 * be appended any more, and every later append fails with it. */
int log_append(struct log *, struct log_append *);

/* All that was installed when it is called is durable when it returns 0.  Calls that wait share one
 * media_sync(). */
int log_sync(struct log *);

void log_where(struct log *, struct log_place *);
/* Pages that appends without last_reserve may take now, heads included. */
uint64_t log_room(struct log *);
/* An append of so many would not be refused: a record does not cross segments. */
bool log_has_room(struct log *, unsigned pages);
/* The tail is at `tail`, the beginning of a segment, durably: what lies before it may be written
 * over.  Grows only. */
void log_free(struct log *, uint64_t tail);
uint64_t log_bytes_written(struct log *);

/* ---- log-read.c: after a crash --------------------------------------------------------- */

struct log_reader {
    /* In the order of the log, from the tail on.  `position`, `epoch`: of its record. */
    int (*entry)(void *arg, const struct log_entry *, uint64_t position, uint64_t epoch);
    /* A record that was durable cannot be read: `why` says where; the blocks in it are lost.
     * What the caller answers is the answer of log_read(); 0 goes on behind it, where possible. */
    int (*damage)(void *arg, uint64_t position, const char *why);
    void *arg;
};
/* Reads what is in force; *end is where the next record goes: a new segment, the next epoch.  A
 * record is followed by the one whose sequence number is the next, at its end or at the beginning
 * of a later segment, of an incarnation that is not lower.  Where that is missing, the log ends,
 * or, if a later record says that it was durable, it is damaged.  Where an earlier recovery has
 * ended, numbers were given again: what it left behind never comes back.  Clean blocks are not
 * looked at; dirty ones that are not known to be durable are, and the log ends before the first
 * record whose blocks are not all there. */
int log_read(struct media *, const struct super *, const struct log_reader *,
             struct log_place *end);

#endif
