/* crash-model.h - what may a guest find after a crash?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every sector that a guest writes says of which disk and sector it is, and which write wrote it.
 * The model knows when each request began and was answered, in moments of the world (core.h), and
 * so which writes a crash at a moment must have left:
 *
 *   - what was flushed, or written with FUA, or something newer;
 *   - of the rest that went through the log, a beginning, in the order of the answers;
 *   - of what was under way, any sectors;
 *   - never bytes that nobody has written to that sector of that disk. */
#ifndef TESTS_CACHE_CRASH_MODEL_H
#define TESTS_CACHE_CRASH_MODEL_H

#include "core.h"

enum guest_what { GUEST_WRITE, GUEST_ZERO, GUEST_FLUSH };
struct guest_op {
    enum guest_what what;
    unsigned disk;
    uint32_t first, count; /* sectors */
    bool log;              /* by way of the log */
    bool fua;
    size_t begin, end; /* moments; end NEVER: it failed */
};
#define NEVER SIZE_MAX

struct model {
    uint32_t sectors[WORLD_DISKS];
    uint32_t *base[WORLD_DISKS]; /* versions that are durable from the beginning; 0: zeroes */
    uint32_t first;              /* version of the first op; the others follow */
    struct guest_op *op;
    size_t ops, size;
};

void model_create(struct model *, const uint64_t size[WORLD_DISKS]);
void model_destroy(struct model *);
/* The version that the op's sectors have is the answer.  Versions of one sector come in the order
 * of its writes. */
uint32_t model_begin(struct model *, const struct guest_op *);
void model_end(struct model *, uint32_t version, size_t moment, int error);

void stamp(void *data, unsigned disk, uint32_t sector, uint32_t count, uint32_t version);
/* The versions in `data`.  False: a sector's bytes are not a write's. */
bool read_stamps(const void *data, unsigned disk, uint32_t sector, uint32_t count,
                 uint32_t *version, char why[512]);

/* Was it there, to whoever read it at that moment with no crash at all? */
bool model_is_now(const struct model *, unsigned disk, const uint32_t *version, char why[512]);
/* After a crash at `moment`. */
bool model_allows(const struct model *, size_t moment, unsigned disk, const uint32_t *version,
                  char why[512]);
/* A store that has lost its pool, of a disk that was only written in write-back with order =
 * ordered and was whole at the beginning: if a write is there, all is that had been flushed before
 * it. */
bool model_allows_older(const struct model *, size_t moment, unsigned disk, const uint32_t *version,
                        char why[512]);
/* What was found is what is from now on, durably. */
void model_settle(struct model *, unsigned disk, const uint32_t *version);
/* All disks have been settled: a new life begins. */
void model_renew(struct model *);

#endif
