/* crash-life.h - what do a source and an administrator do to a group, at random, and what are they
 * promised?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_VAULT_CRASH_LIFE_H
#define TEST_VAULT_CRASH_LIFE_H

#include "crash-source.h"

#include "medium-memory.h"

/* What the target said of itself after `ops` operations of its media. */
struct promise {
    size_t ops;
    struct status said;
};

/* What was written at this site while it was primary, sector by sector: the value that a flush has
 * made sure of, and all that came later. */
enum { SECTOR = 512, SECTORS = MODEL_SIZE / SECTOR };

struct own_write {
    size_t ops; /* when it began */
    uint64_t generation;
    unsigned disk;
    uint32_t offset, length;
    uint8_t byte;
    bool flush; /* of all before, when it was answered; no write */
};

enum { PROMISES = 2048, OWN = 1024 };

struct life {
    struct memory *memory;
    struct group *group;
    struct vault_config config;
    bool elsewhere; /* heads have a folder of their own */
    struct model model;
    struct promise promise[PROMISES];
    unsigned promises;
    struct own_write own[OWN];
    unsigned owns;
    char why[512];
};

void life_create(struct life *, uint64_t seed);
void life_destroy(struct life *);
/* false: something was refused or is not as it should be, and why[] says what. */
bool life_open(struct life *);
bool life_go(struct life *, unsigned steps);
/* The source comes back, sends all that is missing, and the heads must be its disks. */
bool life_catch_up(struct life *);
bool life_fails(struct life *, const char *format, ...) WEIR_PRINTF(2, 3);
/* Opens the group on a memory; closes media whatever comes. */
int life_open_group(const struct life *, struct memory *, struct group **ret,
                    struct weir_text *why);

#endif
