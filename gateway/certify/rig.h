/* rig.h - how does a check put the filter between two probes, over the medium, and use it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CERTIFY_RIG_H
#define CERTIFY_RIG_H

#include "kit.h"

/* What the probes have seen in this process, clients' requests only. */
struct probe {
    _Atomic uint64_t down, up;
    atomic_bool wrong; /* `what` is written */
    char what[256];    /* the first broken promise */
    _Atomic int alien; /* an errno that NBD does not carry */
    /* what the one above does: fails each of so many requests; 0: none */
    atomic_uint fail_down, fail_up;
};
extern struct probe above, below;
extern atomic_uint misuses; /* that the core has reported … */
extern char misuse[512];    /* … and the first of them */

/* With the filter, or the two probes alone.  Opening fails the check where it cannot. */
void rig_open(struct kit *, bool filter);
int rig_try_open(struct kit *, bool filter, struct weir_text *why);
void rig_close(struct kit *); /* an error is the check's failure */
/* The same chain made anew while requests run, with or without the filter. */
int rig_apply(struct kit *, bool filter, struct weir_text *why);
bool rig_transforms(const struct kit *);
/* The filter loaded, and what was given on the command line set. */
void rig_begin(struct kit *);
void rig_read_policy(struct kit *); /* company.c: what rig_begin() does where there is one */
int rig_settings(struct kit *, struct settings **ret, struct weir_text *why);

/* One request: 0 or a positive errno. */
int ask(struct kit *, enum weir_op, uint64_t offset, uint64_t length, uint32_t flags, void *data);
const char *errno_word(int error);
bool nbd_carries(int error);

/* ---- load.c ---------------------------------------------------------------------- */

/* Random requests of all kinds and sizes in a part of the disk that nobody else uses; what
 * is read back is what a model of it says. */
struct area {
    struct kit *kit;
    uint64_t at, size, random;
    uint32_t unit;  /* offsets and lengths are multiples of it */
    uint64_t count; /* requests; 0: until the time is over, and some */
    uint8_t *model;
    const char *what;
    pthread_t thread;
};
void area_create(struct area *, struct kit *, uint64_t at, uint64_t size);
void area_work(struct area *);
void area_compare(struct area *); /* all of it */
void area_finish(struct area *);
void area_start(struct area *); /* the same work on a thread of its own */
void area_join(struct area *);

/* Threads that ask for anything anywhere in a range and look at the answers' errno alone. */
enum { LOAD_MAX = 16 };
struct load {
    struct kit *kit;
    uint64_t at, size;
    unsigned threads;
    bool errors_are_fine;
    atomic_bool stop;
    _Atomic uint64_t asked, answered, failed, random;
    pthread_t thread[LOAD_MAX];
};
void load_start(struct load *, struct kit *, uint64_t at, uint64_t size, unsigned threads);
void load_end(struct load *); /* waits for all of them */

#endif
