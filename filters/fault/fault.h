/* fault.h - what do the parts of the fault filter share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULT_H
#define FAULT_H

#include "weir-filter.h"

#include <pthread.h>

enum fault_crash { CRASH_NONE, CRASH_BEFORE, CRASH_AFTER };

enum fault_misbehave {
    MISBEHAVE_NONE,
    MISBEHAVE_RESUME_TWICE,
    MISBEHAVE_NEVER_RESUME,
    MISBEHAVE_RESUME_LATE,
    MISBEHAVE_RESUME_UNDEFERRED,
};

struct fault_config {
    const char *ops;
    uint64_t from, to;
    double rate;
    int64_t count, seed;
    uint64_t delay, delay_jitter;
    int error;
    bool after, hold, corrupt, lose;
    uint64_t torn;
    int crash, misbehave;
};

/* ---- choose.c: which requests are hit ---------------------------------------- */

struct chooser {
    _Atomic uint32_t ops;    /* WEIR_OP() mask of the option `ops` */
    _Atomic uint64_t seen;   /* requests of these operations in the range */
    _Atomic uint64_t hits;   /* of those, chosen by `rate`; compared with `count` */
    _Atomic uint64_t forced; /* `hit-next` still owes this many */
};

/* "read,write" or "all" as a mask.  0, or -EINVAL with the offending word. */
int fault_parse_ops(const char *list, uint32_t *mask, struct weir_text *why);
/* Is this request hit?  *luck is then a number that depends on `seed` and on how many
 * requests were seen before, and on nothing else. */
bool fault_choose(struct chooser *, const struct fault_config *, const struct weir_request *,
                  uint64_t *luck);
uint64_t fault_mix(uint64_t x);

/* ---- hold.c: requests that wait for somebody --------------------------------- */

struct hold_link {                  /* lives in the request's scratch while it is held */
    struct hold_link *next, **back; /* back: NULL when not in the list */
    struct weir_request *req;
    int error; /* to resume with; 0: let it pass */
};

struct hold_list {
    pthread_mutex_t lock; /* guards all below; nothing is locked under it, and
                             weir_resume() may be called with it held */
    struct hold_link *first;
    uint64_t count;
    bool draining; /* hold nothing now */
    struct hold_late *late;
};

void hold_init(struct hold_list *);
void hold_finish(struct hold_list *);
/* Takes the request in: true, and WEIR_DEFER is the answer; false while draining. */
bool hold_add(struct hold_list *, struct hold_link *, struct weir_request *, int error);
bool hold_release(struct hold_list *, struct hold_link *); /* false: was not held */
uint64_t hold_release_all(struct hold_list *);             /* how many it were */
void hold_drain(struct hold_list *, bool begin);
uint64_t hold_count(struct hold_list *);
/* MISBEHAVE_RESUME_LATE: kept from abort and drain; only hold_release_all() gives it back. */
bool hold_add_late(struct hold_list *, struct weir_request *);

/* ---- fault.c: what happens to a hit ------------------------------------------ */

struct fault {
    struct weir_below *below;
    struct chooser chooser;
    struct hold_list holds;
};

struct fault_scratch {
    struct hold_link link;
    uint64_t luck;
    bool hit, delayed;
    int error; /* what the answer will be when a delay is cut short */
};

struct fault_stats {
    weir_counter hits, delayed, errors, corrupted, torn, lost;
};

enum weir_verdict fault_down(void *self, struct weir_request *);
enum weir_verdict fault_up(void *self, struct weir_request *);
void fault_abort(void *self, struct weir_request *);

#endif
