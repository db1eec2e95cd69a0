/* media.h - what is a disk that can fail, lag, hang and lose its power?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * It lies in shared memory, so that it outlives a process that is killed.  What is written
 * is in its volatile cache until a flush or with FUA. */
#ifndef CERTIFY_MEDIA_H
#define CERTIFY_MEDIA_H

#include "store.h"

#include <pthread.h>

enum {
    MEDIA_SIZE = 40 << 20, /* at first */
    MEDIA_MAX = 64 << 20,
    MEDIA_BLOCK = 4096 /* is never torn */
};

struct media {
    pthread_mutex_t lock; /* the bytes and what is dirty of them; a leaf */
    uint64_t size;
    uint32_t block_min, block_max;
    _Atomic uint64_t changed; /* ns since 1970 */
    /* what it shall do */
    _Atomic uint32_t fault_ops; /* WEIR_OP() mask */
    _Atomic int fault_error;    /* positive errno */
    _Atomic uint64_t fault_left;
    _Atomic uint64_t delay;   /* ns, of each request */
    atomic_bool hung;         /* answers nothing */
    _Atomic uint64_t kill_at; /* the process dies in the middle of this change; 0: never */
    /* what it has seen */
    _Atomic uint64_t served[WEIR_OP_COUNT], faults, changes;
    atomic_uint hanging; /* requests that wait for it */
    atomic_bool killed;
    bool dirty[MEDIA_MAX / MEDIA_BLOCK];
    uint8_t bytes[MEDIA_MAX], safe[MEDIA_MAX];
};

extern const struct store_type media_store;
extern struct media *media_in_use; /* by this process */

struct media *media_create(void); /* zeroes; NULL: no memory */
void media_reset(struct media *); /* zeroes, no faults */
void media_fault(struct media *, uint32_t ops, int error, uint64_t count);
void media_calm(struct media *); /* no faults, no delay, hangs no more */
/* Power fails and comes back: of what was not flushed each block is there or is not. */
void media_power_cut(struct media *, uint64_t *random);

#endif
