/* record.h - what does a page of the log say, which is no block?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A record's head, and the summary at the end of a full segment, which says all that the heads of
 * the segment say: who reads the log after a crash reads a few pages of a segment, not 256. */
#ifndef CACHE_RECORD_H
#define CACHE_RECORD_H

#include "log.h"

#include <sys/uio.h>

struct record {
    uint64_t position, sequence, epoch;
    uint64_t durable_epoch, durable_sequence; /* when it was written */
    uint32_t incarnation;
    unsigned count; /* entries */
};

/* Keys of entries have 48 bits on a pool: positions (ENTRY_INTENTS) need more than blocks. */
#define ENTRY_KEY_MAX ((1ull << 48) - 1)

static inline uint64_t segment_of(uint64_t position)
{
    return position - position % SEGMENT_PAGES;
}

static inline uint64_t page_offset(const struct super *s, uint64_t position)
{
    return s->log + position % s->log_pages * BLOCK;
}

/* ---- heads ----------------------------------------------------------------------------- */

/* Entries first, one after the other, then the rest: record_seal(). */
void record_put_entry(uint8_t page[BLOCK], unsigned index, const struct log_entry *);
void record_seal(uint8_t page[BLOCK], const struct super *, const struct record *);
/* False: there is no head of a record of this pool that was written for `position`. */
bool record_get(const uint8_t page[BLOCK], const struct super *, uint64_t position,
                struct record *);
/* CLEAN, DIRTY and their like: `place` is where the page is. */
void record_get_entries(const uint8_t page[BLOCK], const struct super *, const struct record *,
                        struct log_entry entry[RECORD_ENTRIES]);
unsigned record_pages(const uint8_t page[BLOCK], const struct record *); /* with the head */

/* ---- summaries ------------------------------------------------------------------------- */

enum { SUMMARY_HEAD = 96, SUMMARY_ROOM = BLOCK - SUMMARY_HEAD, SUMMARY_PAGES = 4 };

struct summary {
    uint64_t segment;  /* its first position */
    uint64_t sequence; /* of its first record */
    uint64_t epoch;    /* of its first record */
    uint32_t incarnation;
    unsigned records, length;
    uint8_t bytes[SUMMARY_PAGES * SUMMARY_ROOM]; /* `length` of them */
};

/* Bytes that a record of `entries` takes of a summary. */
static inline unsigned summary_bytes(unsigned entries)
{
    return 8 + 12 * entries;
}
/* Pages of a summary of `length` bytes; 0: it is too long, the segment will have none. */
unsigned summary_pages(unsigned length);

void summary_begin(struct summary *, uint64_t segment);
/* Nothing happens when it is too long by now. */
void summary_add(struct summary *, const struct record *, const struct log_entry *);
/* The summary_pages() last pages of the segment. */
void summary_seal(const struct summary *, const struct super *,
                  uint8_t page[SUMMARY_PAGES * BLOCK]);

/* How many pages the summary has that ends with `last`, the segment's last page; 0: it is none. */
unsigned summary_length(const uint8_t last[BLOCK], const struct super *, uint64_t segment);
/* `page`: the last SUMMARY_PAGES pages of the segment at `segment`, of which summary_length() are
 * looked at.  False: no summary. */
bool summary_get(const uint8_t page[SUMMARY_PAGES * BLOCK], const struct super *, uint64_t segment,
                 struct summary *);
/* Goes through it: *at begins with 0; `record`: position, sequence, epoch, incarnation and count
 * are set.  False: no more. */
bool summary_next(const struct summary *, const struct super *, unsigned *at, struct record *,
                  struct log_entry entry[RECORD_ENTRIES]);

#endif
