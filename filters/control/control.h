/* control.h - what does I/O control know of one disk and of one request?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_H
#define CONTROL_H

#include "datastore.h"

enum { MODE_CONTROL, MODE_OBSERVE };

struct control_config {
    int mode;
    int64_t shares, reservation;
    uint64_t iops, bytes_per_sec;
    uint64_t iops_max, bytes_per_sec_max;
    uint64_t iops_max_length, bytes_per_sec_max_length; /* ns */
    uint64_t size_iops;                                 /* bytes */
    uint64_t max_delay;                                 /* ns */
};

struct control_stats {
    weir_counter delayed_requests, limit_hits, impatient_requests;
    struct weir_histogram delay_us;
};

/* Units that one CPU saw done; each on a line of its own. */
struct done {
    _Alignas(64) weir_counter units;
};

/* One disk: self. */
struct control {
    struct weir_below *below;
    struct datastore *datastore;
    struct disk disk;      /* datastore->lock */
    struct control *next;  /* the same: in the list of the datastore's disks */
    unsigned promoted;     /* the same: writes that went ahead of their turn and are in flight */
    _Atomic bool limited;  /* its requests always take the lock */
    _Atomic bool draining; /* nothing waits */
    _Atomic unsigned flushing; /* flushes in flight */
    struct done *done;         /* datastore->cpus of them */

    /* what the thread worked out last, for statistics */
    uint64_t done_before;                      /* the thread's own */
    bool waited;                               /* the same */
    _Atomic uint64_t granted, entitled, share; /* units per second; twice; percent */
    _Atomic uint64_t misses;
};

/* One request: its scratch. */
struct held {
    struct item item; /* first */
    struct weir_request *req;
    struct shard *shard; /* it went without the scheduler, and counts here; or NULL */
    uint64_t queued_at;  /* weir_now(); 0: it did not wait */
    uint64_t patience;   /* weir_now(): when it goes in any case */
    bool counted;        /* it is in flight */
    bool urgent;         /* a write with FUA: others wait for it */
    bool promoted;       /* it went ahead of its turn */
};

/* request.c: the filter's callbacks */
enum weir_verdict control_down(void *self, struct weir_request *);
enum weir_verdict control_up(void *self, struct weir_request *);
enum weir_verdict control_due(void *self, struct weir_request *);
void control_abort(void *self, struct weir_request *);

/* tables.c */
extern const struct weir_option control_options[];
extern const struct weir_stat control_stats[];

#endif
