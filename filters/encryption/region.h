/* region.h - how is memory for secrets cut into blocks, and wiped when it comes back?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   guard | used: readable, locked if allowed | reserved: nobody may touch it | guard
 *
 * Address space is reserved at once and becomes memory as it is used.  None of it is in a core
 * dump, and a forked child finds zeroes.  It is never unmapped. */
#ifndef ENCRYPTION_REGION_H
#define ENCRYPTION_REGION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blocks have one of so many sizes: 16, 32, … 128 bytes, then four to each doubling. */
enum { REGION_CLASSES = 76, REGION_BLOCK_MAX = 16 << 20 };

struct region_block;

struct region {
    uint8_t *start; /* page aligned; NULL: there is none */
    size_t size;    /* bytes: reserved */

    /* Guards what follows and the headers of all blocks.  A leaf.  mprotect() and mlock()
     * run under it, as two threads must not grow the region at once. */
    pthread_mutex_t lock;
    size_t ready;                              /* bytes: readable */
    size_t used;                               /* bytes: cut into blocks, free ones included */
    size_t locked;                             /* bytes: that no swap sees */
    size_t free_bytes;                         /* in blocks that came back */
    struct region_block *free[REGION_CLASSES]; /* that came back, wiped */
};

/* 0, or -errno; `what` is then the call that failed. */
int region_init(struct region *, size_t size, const char **what);

void *region_alloc(struct region *, size_t size); /* zeroed, 16-byte aligned; NULL: full */
void region_free(struct region *, void *);        /* wipes; aborts for what is no live block */
size_t region_block_size(const void *);
bool region_holds(const struct region *, const void *);
size_t region_room(struct region *);      /* bytes: headers included */
size_t region_swappable(struct region *); /* bytes: in use, and could not be locked */

/* Is this a child that fork() made of the process whose region this is? */
bool region_forked(const struct region *);

#endif
