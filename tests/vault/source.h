/* source.h - how does a test send frames as a source would?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * It has an order of writes and a chain of frames; what becomes of a frame is the test's business.
 */
#ifndef TEST_VAULT_SOURCE_H
#define TEST_VAULT_SOURCE_H

#include "vault.h"

#include "frames.h"

struct source {
    uint8_t group[16];
    uint64_t generation, token, lsn;
    struct log_end end; /* behind the last frame */
    const struct frame_key *key;
    struct draft draft;
};

/* A frame that is finished: to be freed. */
struct sent {
    uint64_t position, last_lsn;
    size_t size;
    void *bytes;
};

/* Opens a frame; flags as of enum frame_flags. */
void source_begin(struct source *, uint32_t flags);
/* Adds a record; it gets the next LSN. */
void source_write(struct source *, unsigned disk, uint64_t offset, const void *data,
                  uint32_t length);
void source_zero(struct source *, unsigned disk, uint64_t offset, uint32_t length);
void source_disk(struct source *, unsigned disk, const char *name, uint64_t size);
void source_mark(struct source *, const char *name);
void source_verify(struct source *, unsigned disk, uint64_t offset, uint32_t length,
                   uint64_t digest);
struct sent source_finish(struct source *);
/* A frame of one write of `length` bytes of `byte` to disk 0. */
struct sent source_frame(struct source *, uint32_t flags, uint64_t offset, uint32_t length,
                         int byte);

#endif
