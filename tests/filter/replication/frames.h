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
    size_t data_length;
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

#endif
