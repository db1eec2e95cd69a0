/* index-rig.h - what do tests of the index share: an index, and a model that keeps every write
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The model keeps them in the order of LSNs.  Places are small, so that writes overlap in every
 * way; segments have few frames, so that there are many of them. */
#ifndef TEST_VAULT_INDEX_RIG_H
#define TEST_VAULT_INDEX_RIG_H

#include "fake-log.h"
#include "medium-memory.h"

#include <stdbool.h>

enum { TEST_DISKS = 3, UNITS = 256, UNIT = 512, WRITES = 1 << 16 };

struct written {
    uint64_t lsn, position, at;
    unsigned disk, first, count; /* units */
    bool zero;
};

struct stage {
    struct memory *memory;
    struct medium *medium;
    struct log *log;
    struct index *index;
    struct written *written;
    size_t writes;
    uint64_t lsn, trimmed, seed;
};

uint64_t stage_chance(struct stage *, uint64_t n); /* 0 to n - 1 */
void stage_begin(struct stage *, uint64_t seed);   /* without an index */
void stage_end(struct stage *);
void stage_open(struct stage *, bool threaded);
/* A frame of a few random writes at `position`, which index_add() is told of. */
void stage_add_frame(struct stage *, uint64_t position);
/* Frames until the segment is left. */
void stage_add_segment(struct stage *);
unsigned stage_files(struct stage *); /* on the medium */

/* The first LSN that may be asked for, and one of those that may. */
uint64_t stage_oldest(const struct stage *);
uint64_t stage_lsn(struct stage *);
/* All of an open view is as the model has it; the same of one that is opened and closed, and of
 * what changed since some LSN before. */
void stage_check_view(struct stage *, struct index_view *, uint64_t lsn);
void stage_check(struct stage *, uint64_t lsn);
/* For index_look(): what is found, and what lies between, is as the model has it. */
struct seen {
    const struct stage *stage;
    uint64_t lsn, since;
    unsigned disk, next; /* the unit that comes next; before it all was compared */
};
int stage_check_entry(void *seen, const struct index_entry *);

#endif
