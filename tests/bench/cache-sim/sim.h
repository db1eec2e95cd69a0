/* sim.h - what do the simulator's files share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CACHE_SIM_H
#define CACHE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the program: `what` names the user's word, `why` what was expected. */
void die(const char *what, const char *why) __attribute__((noreturn));
void *allocate(size_t count, size_t size); /* zeroed */

/* ---- trace.c ------------------------------------------------------------------------ */

/* References to blocks of 4 KiB, numbered in the order of their first. */
struct trace {
    uint32_t *block;
    bool *writes;
    size_t count, room;
    uint64_t *key; /* of each block: where it is on the disk */
    uint32_t blocks, blocks_room;
    uint32_t *table; /* the hash that numbers them */
    size_t table_size;
};

struct trace_how {
    const char *format;  /* NULL: by the file's name */
    const char *columns; /* of csv */
    uint64_t grid;       /* bytes: where blocks begin, less than 4096 */
    uint64_t unit;       /* bytes that an address in .lis counts */
    bool reads_only;
};
void trace_read(const char *path, const struct trace_how *, struct trace *);
void trace_add(struct trace *, uint64_t key, bool write);
void trace_free(struct trace *);

/* ---- synthetic.c --------------------------------------------------------------------- */

/* `spec`: NAME or NAME:SEED.  False: no such name. */
bool trace_make(const char *spec, struct trace *);

/* ---- rivals.c -------------------------------------------------------------------------- */

/* Misses of caches of `size` blocks. */
uint64_t lru_misses(const struct trace *, uint32_t size);
uint64_t fifo_misses(const struct trace *, uint32_t size);
uint64_t min_misses(const struct trace *, uint32_t size); /* Belady: who knows the future */

/* ---- replay.c --------------------------------------------------------------------------- */

/* What becomes of a guest's write. */
enum replay_mode {
    REPLAY_WRITE_BACK,    /* it is appended to the log */
    REPLAY_WRITE_THROUGH, /* it replaces the block where it is; a miss is filled like a read's */
    REPLAY_READ,          /* it takes the block out of the pool; misses of reads alone count */
};
struct replay_how {
    double log, small, ghost; /* of the pool */
    double free;              /* of the log: pages that are kept free */
    enum replay_mode mode;
    bool autotune; /* `small` is where it begins */
    uint64_t seed;
};
struct replay {
    uint64_t references, misses;
    uint64_t fills;    /* blocks that came new into the pool */
    uint64_t moves;    /* that were copied from the log to a slot */
    uint64_t rewrites; /* writes of blocks that the pool had */
    uint64_t promotions;
    unsigned tunes; /* how often the small queue got another length */
    double small;   /* the last one */
};
void replay(const struct trace *, uint32_t size, const struct replay_how *, struct replay *);

#endif
