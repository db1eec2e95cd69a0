/* header-rig.h - what is a disk in memory that remembers what was written and flushed?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef HEADER_RIG_H
#define HEADER_RIG_H

#include "header.h"

enum {
    RIG_SIZE = 17 << 20,
    RIG_HEAD = (1 << 20) + (8 << 10), /* what changes: headers, the first slots; all of LUKS1 */
    RIG_SECTOR = 512,
    RIG_OPS = 64,
};

struct rig_op {
    uint64_t offset, length; /* length 0: a flush */
    uint8_t *data;
};

struct rig {
    struct header_medium medium;
    int fd;        /* of the disk */
    uint8_t *disk; /* its RIG_SIZE bytes */
    uint8_t *snapshot;
    struct rig_op ops[RIG_OPS];
    int count; /* of ops */
    int fail;  /* the op of this number fails; -1: none */
};

/* Has libcrypto our allocator, and says the seed of random choices (WEIR_TEST_SEED). */
uint64_t rig_begin(void);
uint64_t rig_random(void); /* the same from the same seed */
struct secret rig_secret(const char *text);

/* A disk of zeroes; format: LUKS `version` with `key` in slot 0, by libcryptsetup and at little
 * cost, and the volume key. */
struct rig *rig_create(void);
void rig_format(struct rig *, int version, unsigned key_bits, const char *key,
                struct secret *volume);
void rig_convert(struct rig *); /* from LUKS1 to LUKS2, as cryptsetup does */
void rig_destroy(struct rig *);

/* The head of the disk is kept, or as it was kept; ops are forgotten. */
void rig_keep(struct rig *);
void rig_back(struct rig *);

/* What a key opens that must. */
struct secret rig_volume(struct rig *, const char *key);

/* Does the header open, and do these keys? */
struct rig_look {
    int open;       /* 0 or the error of header_open() */
    int key[2];     /* 0; -EKEYREJECTED: to a wrong volume key; or the error */
    unsigned slots; /* in use: a mask */
};
struct rig_look rig_look(struct rig *, const char *first, const char *second,
                         const struct secret *volume);

/* ---- crashes --------------------------------------------------------------------- */

/* Says 0 for a disk that is as it must be, else what is wrong; `done`: the change had returned. */
typedef const char *rig_judge(struct rig *, bool done, void *arg);

/* What was recorded since rig_keep(), cut short at each write, with any sectors of those that were
 * not flushed, about `tries` states for each flush.  `without` is a flush that is left out; -1:
 * none.  NULL, or what the judge said first. */
const char *rig_replay(struct rig *, int without, int tries, rig_judge *, void *arg);
/* The number of the nth flush among ops; -1: there are fewer. */
int rig_flush(const struct rig *, int nth);

#endif
