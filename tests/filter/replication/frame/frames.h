/* frames.h - how does a test make a frame, right or wrong?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Records are added with their data; finish() makes a frame of them as a source would, without
 * looking whether it is one. */
#ifndef TEST_REPLICATION_FRAMES_H
#define TEST_REPLICATION_FRAMES_H

#include "frame.h"

struct draft {
    struct frame frame;
    size_t data_length, data_room;
    uint32_t table_room;
    uint8_t *data, *table;
    size_t size;    /* bytes of the frame, a multiple of FRAME_ALIGN */
    uint8_t *bytes; /* the frame */
};

/* A frame at `position` that follows nothing; `flags` as of enum frame_flags, ZSTD: is packed. */
void draft_begin(struct draft *, uint64_t position, uint32_t flags);
void draft_add(struct draft *, const struct record *, const void *data, size_t length);
void draft_finish(struct draft *, const struct frame_key *key);
void draft_free(struct draft *);
/* After bytes of the header were changed. */
void draft_seal(struct draft *);

/* A frame with a record of every kind, at FRAME_ALIGN; data of record i is letters 'a' + i. */
enum { EVERY = 8 };
extern const struct record every[EVERY];
void draft_every(struct draft *, uint32_t flags, const struct frame_key *key);

#define WRITE(at, size, number)                                                                    \
    (&(struct record){ .op = RECORD_WRITE, .length = (size), .offset = (at), .lsn = (number) })

/* frame_read() and frame_unpack() in one. */
int read_back(const uint8_t *bytes, size_t size, const struct frame_key *key, struct frame *ret,
              void **payload, struct weir_text *why);

#endif
