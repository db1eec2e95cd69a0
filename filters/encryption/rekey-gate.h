/* rekey-gate.h - with which key is a request worked on while the keys change?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * While a deep rekey runs, each read is on a list from down() to up().  Who converts a range
 * closes it: reads that come wait, and those on the list are waited for.  Writes need no list, as
 * the write order keeps them out (weir_order_lock).  So the position never moves inside a range
 * on which a request is at work. */
#ifndef ENCRYPTION_REKEY_GATE_H
#define ENCRYPTION_REKEY_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A read that is in flight. */
struct rekey_read {
    uint64_t from, to; /* bytes; to is 0: not on the list */
    struct rekey_read *earlier, *later;
};

struct rekey_gate {
    /* Looked at by each request after it has taken the cipher, see lease_settle(). */
    atomic_bool on;
    _Atomic uint64_t position; /* bytes: what is before is of the new key */
    pthread_mutex_t lock;      /* guards what follows, and changes of position; a leaf */
    pthread_cond_t opened;     /* reads wait for it */
    pthread_cond_t left;       /* who closes a range waits for it */
    struct rekey_read *reads;
    uint64_t closed_from, closed_to; /* bytes: reads wait; empty: from = to */
    uint64_t barred_from, barred_to; /* bytes: of both keys after an error: nobody gets it */
};

void gate_init(struct rekey_gate *);
void gate_finish(struct rekey_gate *);

static inline bool gate_on(struct rekey_gate *g)
{
    return atomic_load(&g->on);
}

/* *split: what is before that is of the new key.  0, or -EIO: a part of it is barred. */
int gate_read_begins(struct rekey_gate *, struct rekey_read *, uint64_t from, uint64_t to,
                     uint64_t *split);
void gate_read_ends(struct rekey_gate *, struct rekey_read *);
int gate_write(struct rekey_gate *, uint64_t from, uint64_t to, uint64_t *split);

/* No read is at work on the range, and none begins. */
void gate_close(struct rekey_gate *, uint64_t from, uint64_t to);
/* Reads of the closed range go on; the position is there now. */
void gate_open(struct rekey_gate *, uint64_t position);
/* from = to: nothing is barred any more. */
void gate_bar(struct rekey_gate *, uint64_t from, uint64_t to);

#endif
