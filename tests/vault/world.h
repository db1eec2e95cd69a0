/* world.h - what would every disk of a group hold at every LSN?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A group with a fake log, images on a medium in memory and nothing of what receives frames; beside
 * it a model that keeps every write.  The record is saved by the world, which can leave out on
 * purpose what a crash needs. */
#ifndef TESTS_VAULT_WORLD_H
#define TESTS_VAULT_WORLD_H

#include "fake-log.h"
#include "group.h"
#include "medium-memory.h"

enum { WORLD_DISKS = 2, UNITS = 96, UNIT = 512, WRITES = 1 << 12 };

/* Rules of order, each of which a test leaves out to see that it is missed. */
enum broken {
    NOTHING_BROKEN,
    NO_ANNOUNCEMENT, /* that a fold is under way is not made durable */
    NO_BASE_SYNC,    /* nor is the base */
    NO_HORIZON,      /* nor the new horizon, before index and log are trimmed */
    NO_RULE,         /* how many there are */
};

struct written {
    uint64_t lsn, position;
    unsigned disk, first, count; /* units */
    bool zero;
};

struct world {
    struct memory *memory;
    struct group group;
    struct folder *folder;
    enum broken broken;
    struct written *written;
    size_t writes;
    uint64_t lsn, time, seed;
    size_t trims; /* when log_trim() was called */
    struct {
        size_t ops;
        uint64_t position;
    } trim[256];
};

void world_set_up(struct world *, uint64_t seed);
void world_tear_down(struct world *);
uint64_t world_chance(struct world *, uint64_t n);
/* Index, points and images are closed and opened again, from what the record says. */
void world_restart(struct world *);
/* As a crash after `ops` left it: the log is whole, but for what had been trimmed. */
void world_crash(struct world *after, struct world *, size_t ops, enum memory_loss, uint64_t seed);

/* A frame of random writes, and a mark behind them if there is one; applied to heads at once. */
void world_add_frame_at(struct world *, uint64_t position, uint32_t flags, const char *mark);
/* Some of them, in the next segment. */
void world_add_segment(struct world *);

/* What a unit holds at an LSN: the LSN of who wrote it, 0: zeroes. */
uint64_t world_unit(const struct world *, unsigned disk, unsigned unit, uint64_t lsn);
/* Is that what these bytes are? */
bool world_is_unit(const void *bytes, uint64_t lsn);
/* Does a read of a view give state(lsn)?  Of all of a disk, or [first, +count). */
bool world_view_is(struct world *, struct view *, unsigned disk, uint64_t lsn, unsigned first,
                   unsigned count);
bool world_heads_are(struct world *, uint64_t lsn);
/* "lsn:N" of all disks; false: it cannot be opened, or is wrong. */
bool world_lsn_is_right(struct world *, uint64_t lsn);
struct view *world_open(struct world *, unsigned disk, uint64_t lsn, bool writable);

#endif
