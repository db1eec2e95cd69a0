/* log-rig.h - what do tests of a log share: a log on a medium in memory, a source, and who is
 * handed the frames.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_VAULT_LOG_RIG_H
#define TEST_VAULT_LOG_RIG_H

#include "source.h"

#include "medium-memory.h"

enum { HANDED = 64 };

struct rig {
    struct memory *memory;
    struct medium *medium;
    struct log *log;
    struct log_setup setup;
    struct source source;
    uint64_t handed[HANDED]; /* positions, in order */
    unsigned count;
    int answer; /* of frame() */
};

/* A new log that begins `room` bytes before the end of a segment (0: at 0), without a thread. */
void rig_init(struct rig *, uint64_t room);
void rig_finish(struct rig *);
int rig_open(struct rig *);                    /* the log; at recovery it begins where it began */
void rig_again(struct rig *, struct memory *); /* as after a crash that left `memory`: its own */
/* Sends, and frees. */
int rig_send(struct rig *, struct sent, bool fua);
int rig_put(struct rig *, const struct sent *, bool fua); /* keeps it */
struct log_end rig_end(struct rig *);
/* The log must have just these frames. */
void rig_expect(struct rig *, const uint64_t *positions, unsigned count);

#endif
