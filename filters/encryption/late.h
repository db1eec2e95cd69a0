/* late.h - who waits for a key, or a header, that does not come at once?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A key management system may answer in a minute, or only when the host has a network; so may a
 * store.  Nobody is kept waiting for that: a thread asks, again and again where the key could not
 * be had or the header not be read, and unlocks the disk when it has come.  It and the control path
 * take turns with the disk and its header; it has none while it asks. */
#ifndef ENCRYPTION_LATE_H
#define ENCRYPTION_LATE_H

#include <pthread.h>
#include <stdbool.h>

struct encryption;
struct encryption_config;

struct late {
    /* control path alone */
    pthread_t thread;
    bool running;           /* there is a thread, which may have ended */
    bool drained;           /* the disk is held until drain(false) */
    struct late_task *task; /* what it works with */
    int bell;               /* an eventfd: can be read when it shall stop */

    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t changed;
    unsigned held; /* by the control path, which may hold it more than once */
    bool working;  /* the thread has the disk */
    bool answered; /* the first question */
    bool stop, ended;
};

int late_init(struct late *); /* 0 or -errno */
void late_finish(struct encryption *);

/* On the control path, with no thread under way.  begin: asks, and waits a moment for the answer,
 * so that what can be had at once is there when this returns; else the export is locked until it
 * comes.  again: key or header could not be had just now, and the export is locked; asks in a
 * while. */
void late_begin(struct encryption *, const struct encryption_config *);
void late_again(struct encryption *, const struct encryption_config *);
/* Nobody asks any more when this returns. */
void late_stop(struct encryption *);
/* Asks anew, with other options, if somebody asks. */
void late_apply(struct encryption *, const struct encryption_config *);
void late_drain(struct encryption *, bool begin);

/* A call of the control path has the disk to itself, until its scope ends:
 *     late_turn struct encryption *e = late_turn_begin(self); */
struct encryption *late_turn_begin(struct encryption *);
void late_turn_end(struct encryption *const *);
#define late_turn __attribute__((cleanup(late_turn_cleanup)))
static inline void late_turn_cleanup(void *where)
{
    late_turn_end(where);
}

#endif
