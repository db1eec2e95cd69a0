/* policy.h - which blocks stay in the pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * S3-FIFO (Yang et al., SOSP 2023), strict: what is new enters the small queue; what has been hit
 * twice when it comes to the queue's end goes on to the main queue, the rest is forgotten but for
 * its name in the ghost; a name in the ghost enters the main queue at once; when a promotion makes
 * the main queue too long, the main queue gives up a block at once.
 *
 * The small queue is the log, in the order of its pages; the main queue is the slots, with a hand
 * that goes round (CLOCK: a block that has been hit stays where it is and loses one hit).  While
 * the slots are not all taken nothing is forgotten: what leaves the log has a slot as a `guest` of
 * the main queue, and is the first to go.
 *
 * Pure code: no clock, no I/O, no lock, no memory after create().  The filter calls it under the
 * pool's lock, the simulator without one; a crash is a new one, filled by policy_put().
 *
 * RAM for each block: 4 bytes / 0.96 index, 6 name and state, 4 CRC, 2 x 0.9 ghost. */
#ifndef CACHE_POLICY_H
#define CACHE_POLICY_H

#include "block.h"

#include <stddef.h>

struct policy;

/* What the filter has, and the simulator (tests/bench/cache-sim) unless told otherwise: parts of a
 * pool's blocks.  README.md says what others cost. */
#define POLICY_LOG   0.09
#define POLICY_GHOST 0.9

struct policy_shape {
    uint32_t log_pages, slots; /* places: [0, log_pages), [log_pages, log_pages + slots) */
    double ghost;              /* of log_pages + slots; 0.9 */
    uint64_t seed;             /* of hashes: a guest that does not know it cannot make them slow */
    /* Called whenever what a slot (0 is the first) holds, or its CRC, has become other: the table
     * on the pool is to be written.  NULL: nobody wants to know. */
    void (*slot_changed)(void *arg, uint32_t slot);
    void *arg;
};

/* What a place is.  A place without any of them is empty. */
enum place_state {
    PLACE_CURRENT = 1 << 0, /* it is what policy_find() gives for its key */
    PLACE_DIRTY = 1 << 1, /* log: the store does not have it; it is not forgotten, current or not */
    PLACE_PARTIAL = 1 << 2, /* not every sector of the block is there (partial.h) */
};

int policy_create(const struct policy_shape *, struct policy **ret); /* 0, -EINVAL, -ENOMEM */
void policy_destroy(struct policy *);
size_t policy_memory(const struct policy *); /* bytes */

/* ---- look --------------------------------------------------------------------- */

uint32_t policy_find(const struct policy *, uint64_t key); /* NOWHERE: a miss */
uint64_t policy_key(const struct policy *, uint32_t place);
uint32_t policy_crc(const struct policy *, uint32_t place);
unsigned policy_state(const struct policy *, uint32_t place); /* enum place_state */
unsigned policy_hits(const struct policy *, uint32_t place);  /* 0 to 3 */

/* ---- change ------------------------------------------------------------------- */

/* A hit: two bits, which stay at 3. */
void policy_touch(struct policy *, uint32_t place);

/* `place`, which is empty, holds `key` from now on and is current; *before: what was current, no
 * longer is, and keeps its other state (a place that is left without any is empty); NOWHERE.  The
 * new place has its hits; one whose former place is a slot has at least two: it does not lose its
 * place in the main queue by being written. */
void policy_put(struct policy *, uint32_t place, uint64_t key, uint32_t crc, unsigned state,
                uint32_t *before);
/* The content of a place that stays has been replaced. */
void policy_set_crc(struct policy *, uint32_t place, uint32_t crc);
/* Sets and clears DIRTY and PARTIAL; a place without any state is empty. */
void policy_set_state(struct policy *, uint32_t place, unsigned set, unsigned clear);
/* No longer current. */
void policy_drop(struct policy *, uint32_t place);

/* ---- who comes and who goes ------------------------------------------------------ */

/* A miss is about to be filled: where to?  NOWHERE: into the log, where the caller takes the next
 * page; else an empty slot, for a key that the ghost remembers (and now forgets), or for a guest
 * while there are empty slots: written once, not twice.
 * A slot that this or policy_tail() gives is promised to the caller: nobody else gets it until
 * policy_put() or policy_move() to it, or policy_drop() of it, which gives it back. */
uint32_t policy_admit(struct policy *, uint64_t key);
/* The ghost remembers `key`, and forgets it.  For a write, which enters the log anyway: it is put
 * and then touched twice. */
bool policy_recall(struct policy *, uint64_t key);

enum policy_fate {
    FATE_EMPTY, /* nothing is there, or what is there is current elsewhere and clean */
    FATE_DIRTY, /* it cannot go yet */
    FATE_GONE,  /* it has been forgotten: the place is empty, the ghost knows its name */
    FATE_MOVE,  /* it is to be copied to *slot, which is promised: policy_move() when it is there,
                   policy_drop() of both when it could not be copied */
};
/* The log's tail is at `place`: what becomes of it? */
enum policy_fate policy_tail(struct policy *, uint32_t place, uint32_t *slot);
/* The block at `from` has been copied to `slot`.  False: `from` is no longer what it was when
 * policy_tail() said so; `slot` is given back, if it was still promised. */
bool policy_move(struct policy *, uint32_t from, uint32_t slot);

/* ---- how long the small queue is -------------------------------------------------------- */

/* A part of all places, 0.01 to 0.5, from now on; nothing moves at once.  POLICY_LOG, as at the
 * beginning: the log.
 * Larger: the small queue has guests besides the log, as while the slots were not all taken, and
 * the main queue gives way for them.
 * Smaller: nothing leaves the log sooner, for nobody else could use its pages; but a hit of a block
 * that has left so small a queue counts as if the ghost had remembered it: it is on its way to the
 * main queue. */
void policy_tune(struct policy *, double small);

/* ---- shares of the disks ----------------------------------------------------------- */

/* Blocks that `disk` is left with at least, as long as it has them, and has at most (UINT32_MAX:
 * any number).  More than `max` are given up as new ones come. */
void policy_share(struct policy *, unsigned disk, uint32_t min, uint32_t max);
uint32_t policy_disk_blocks(const struct policy *, unsigned disk); /* that are current */

struct policy_counts {
    uint64_t evictions, promotions;   /* blocks that were forgotten; that went from log to main */
    uint32_t in_log, in_slots, dirty; /* current or dirty places of the log; taken slots; dirty */
};
void policy_counts(const struct policy *, struct policy_counts *);

#endif
