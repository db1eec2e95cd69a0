/* rekey.h - how does a disk go over to a new volume key while guests work with it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread of its own takes one chunk after the other: nobody writes to it (the write order) or
 * reads it (the gate) while it is converted, a few milliseconds.  What it does to the medium is in
 * rekey-journal.h; what the header says meanwhile in header-rekey.h. */
#ifndef ENCRYPTION_REKEY_H
#define ENCRYPTION_REKEY_H

#include "rekey-gate.h"
#include "rekey-journal.h"
#include "weir-filter.h"

struct encryption;

struct rekey {
    struct rekey_gate gate;

    /* control path, and the thread while there is one */
    struct header_rekey about;
    struct secret volume; /* the new one, until the header has it */
    struct rekey_work work;
    struct header_medium medium; /* the disk below, for work that nobody waits for */
    struct header *header;       /* as the end has left it, for who joins the thread */

    /* control path alone */
    bool running; /* there is a thread, which may have ended */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t changed;
    bool stop, hold;          /* what the thread shall do: end, or nothing until hold is false */
    bool busy;                /* it is at work on a chunk or the header */
    bool paused;              /* after an error, until it is asked to go on */
    bool ending;              /* the header may say so: nothing may be written with the old key */
    bool ended;               /* the disk has its new key */
    uint64_t size;            /* bytes: of the payload */
    uint64_t began, began_at; /* ns, bytes: for the speed */
    char why[HEADER_WHY];
};

void rekey_init(struct encryption *);
void rekey_finish(struct encryption *);

/* ---- rekey-life.c: begin, resume, stop --------------------------------------------- */

/* A new volume key for the disk, which is unlocked; `key` opens `slot`. */
int rekey_begin(struct encryption *, const struct secret *key, int slot,
                const struct header_format *pbkdf, char why[HEADER_WHY]);
/* In unlock(), where nothing is lent: what the header tells of a rekey.  `key` opened the old
 * volume key.  *next: the cipher of the new one, or NULL where no rekey is under way. */
int rekey_load(struct encryption *, const struct secret *key, struct sector_cipher **next,
               char why[HEADER_WHY]);
/* Then, with the cipher of the old key: what a crash has left half done is finished, if it can be.
 */
void rekey_recover(struct encryption *, struct sector_cipher *old, struct sector_cipher *next);
/* And when both are lent: goes on. */
void rekey_resume(struct encryption *);
/* Between two chunks; what is done stays done. */
void rekey_stop(struct encryption *);
/* In the control path: takes note of a rekey that has ended. */
void rekey_settle(struct encryption *);

/* ---- rekey.c ------------------------------------------------------------------------- */

int rekey_start(struct encryption *, char why[HEADER_WHY]); /* the thread */
void rekey_hold(struct encryption *, bool hold);            /* drain() */
void rekey_resize(struct encryption *);                     /* e->size has changed */
/* The disk must not grow, while it is drained: this has begun and not ended. */
bool rekey_ends(struct encryption *);
void rekey_pause(struct encryption *, const char *why);
/* Is it paused?  Then it goes on. */
bool rekey_again(struct encryption *);

const char *rekey_state(struct encryption *); /* "rekeying", "paused", or NULL */
int64_t rekey_percent(struct encryption *);   /* -1: none runs */
void rekey_print(struct encryption *, struct weir_text *);

#endif
