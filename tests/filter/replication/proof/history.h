/* history.h - what did the clients ask for, and what were they told?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The log of a ledger is text, a line for each event, in the order in which the client saw them.  A
 * line is there before its request is sent and after its answer was received, so that the order of
 * the lines never says more than the client knew:
 *
 *   weir-ledger 1 RUN                         RUN: 16 hex digits
 *   d DISK SIZE NAME                          numbers from 0
 *   s ID DISK KIND OFFSET LENGTH FUA TIME     sent; ids rise by 1 from 1; KIND: w z t f
 *   a ID TIME                                 acknowledged
 *   e ID TIME ERRNO                           refused: perhaps a part of it was done
 *   l ID TIME                                 its connection was lost: perhaps it was done, or will
 * be x TIME                                    the server is dead: what was lost is not done later
 *
 * TIME is in ns since 1970. */
#ifndef TESTS_HISTORY_H
#define TESTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_DISKS = 64 };
#define NEVER UINT64_MAX

enum history_kind {
    KIND_WRITE = 'w',
    KIND_ZERO = 'z',
    KIND_TRIM = 't',
    KIND_FLUSH = 'f',
};

/* Moments are numbers of events. */
struct operation {
    uint64_t sent, acked;       /* acked NEVER: nobody knows whether it was done */
    uint64_t ended;             /* it is not done after it; NEVER: it may still be */
    uint64_t sent_at, acked_at; /* ns */
    uint64_t offset, length;    /* bytes, multiples of LEDGER_BLOCK; 0 of a flush */
    uint32_t disk;
    enum history_kind kind;
    bool fua;
    bool torn;         /* it was refused, or its server died: perhaps a part of it was done */
    uint64_t hardened; /* the moment when FUA, or a flush of its disk that was sent later, was
                          acknowledged */
};

struct history {
    uint64_t run, moments;
    unsigned disks;
    struct {
        char *name;
        uint64_t size;
    } disk[HISTORY_DISKS];
    struct operation *op; /* op[id - 1] */
    size_t ops, room;
    uint64_t last_ack; /* ns */
};

/* 0 or -errno; a line without its end is as if it were not there (somebody still writes).  `why`
 * has the number of a line that is none. */
int history_read(const char *path, struct history *, char why[256]);
void history_free(struct history *);

/* For who makes one up; false: no memory. */
bool history_add(struct history *, const struct operation *);
/* Who is hardened; history_read() has done it. */
void history_harden(struct history *);

#endif
