/* rekey-journal.h - how far has a disk gone over to another key, and what if it is cut short there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What lies before `position` is of the new key, what lies behind is of the old one.  The chunk
 * at `position` is under way: its record holds sums of its old cipher text, so that after a
 * crash each 512 bytes of it tell by themselves which of the two they are.  (XTS encrypts 16
 * bytes by 16 bytes, so a sector of 4096 that is torn can be put together.)
 *
 * Two records take turns, so that one is whole while the other one is written:
 *   flush, record, flush, chunk, flush, and the next chunk
 * What a record has the sums of is durable before it, and it before the data that it tells of are
 * touched; a chunk's data are durable before the next record; and while a record of a chunk may
 * be on the medium nobody else writes to that chunk with the old key. */
#ifndef ENCRYPTION_REKEY_JOURNAL_H
#define ENCRYPTION_REKEY_JOURNAL_H

#include "header-rekey.h"
#include "sector.h"

enum {
    REKEY_UNIT = 512, /* bytes: what a crash leaves whole */
    REKEY_SUM = 16,   /* bytes: of SHA-256 */
    REKEY_CHUNK = 1 << 20,
    REKEY_UNITS = REKEY_CHUNK / REKEY_UNIT,
    REKEY_RECORD = REKEY_JOURNAL / 2, /* bytes on the medium */
};

struct rekey_record {
    uint64_t seq;
    uint64_t position; /* bytes of the payload */
    uint32_t length;   /* bytes: of the chunk under way; 0: none is */
    uint8_t sums[REKEY_UNITS][REKEY_SUM];
};

/* A disk on its way from one key to another.  One thread works with it. */
struct rekey_work {
    const struct header_medium *medium;
    uint64_t payload; /* bytes: where it begins on the medium */
    uint64_t journal; /* bytes: the same of the records */
    uint8_t id[REKEY_ID];
    uint32_t sector;                  /* bytes */
    struct sector_cipher *old, *next; /* borrowed */
    struct rekey_record record;       /* the newest */
    bool durable;                     /* it is known to be on the medium */
    uint8_t *record_image, *data;     /* REKEY_RECORD and REKEY_CHUNK bytes */
};

/* ---- rekey-journal.c --------------------------------------------------------------- */

/* No dump shows the buffers.  0 or -ENOMEM; finish: of a work of zeroes is fine. */
int rekey_work_init(struct rekey_work *);
void rekey_work_finish(struct rekey_work *);
/* Nothing is done yet; what records there were are gone.  Durable. */
int rekey_journal_create(struct rekey_work *);
/* The newest record that is whole.  -EBADMSG: there is none. */
int rekey_journal_load(struct rekey_work *);
/* The record as it is now becomes durable, under the next number if it is not `again`. */
int rekey_journal_save(struct rekey_work *, bool again);
int rekey_journal_sum(const uint8_t *data, uint32_t length, uint8_t sums[][REKEY_SUM]);

/* ---- rekey-chunk.c ------------------------------------------------------------------ */

/* Is there a chunk that must be finished before anything else? */
static inline bool rekey_pending(const struct rekey_work *w)
{
    return w->record.length != 0;
}
/* Nobody else has the `length` bytes at record.position now.  0: they are of the new key and
 * the position is behind them.  -errno: rekey_pending() says whether they are still as they were;
 * if not, nobody may read or write them until rekey_chunk_finish() has returned 0. */
int rekey_chunk(struct rekey_work *, uint32_t length);
int rekey_chunk_finish(struct rekey_work *);
/* How many of the units of the pending chunk are still of the old key, of how many. */
int rekey_chunk_look(struct rekey_work *, uint32_t *old, uint32_t *units);

#endif
