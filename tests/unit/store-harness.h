/* store-harness.h - how does a test hold a store without a gateway around it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_HARNESS_H
#define STORE_HARNESS_H

#include "options.h"
#include "store.h"
#include "text.h"

#include <pthread.h>
#include <sys/types.h>

struct disk {
    const struct store_type *type;
    struct settings *settings;
    void *self;
    struct weir_geometry geometry;
    struct weir_text why; /* the last sentence */
};

/* `options`: name, value, …, NULL.  0 or -errno; why is filled at errors. */
int disk_open(struct disk *, const char *type, const char *const *options,
              const struct store_image *);
void disk_close(struct disk *); /* of one that did not open, too */
int disk_do(struct disk *, enum weir_op, uint32_t flags, uint64_t offset, uint64_t length,
            void *data);
/* The name of which disk it is; lives until the next call.  *changed may be NULL. */
const char *disk_identity(struct disk *, uint64_t *changed);
/* true when the whole range is said to read as zeroes without room behind it */
bool disk_is_hole(struct disk *, uint64_t offset, uint64_t length);

/* ---- the one test that every store passes ---------------------------------------- */

/* Random operations on [offset, offset+length) against a model in memory. */
struct walk {
    struct disk *disk;
    uint64_t offset, length, seed;
    unsigned rounds;
    atomic_bool *stop; /* NULL: after `rounds` */
    char *model;       /* what must be there */
    _Atomic uint64_t done;
};
enum { WALKS_MAX = 16 };
struct walks { /* side by side, each on its part of the disk */
    unsigned threads;
    atomic_bool stop;
    struct walk walk[WALKS_MAX];
    pthread_t id[WALKS_MAX];
};
void walks_start(struct walks *, struct disk *, unsigned threads,
                 unsigned rounds);   /* 0: until the end */
uint64_t walks_done(struct walks *); /* operations so far */
void walks_end(struct walks *);      /* waits, and compares all bytes once more */
void walks_finish(struct walks *);
void walk_check(struct walk *); /* all its bytes */
void walk_together(struct disk *, unsigned threads, unsigned rounds);

uint64_t test_seed(void); /* WEIR_SEED or the clock; printed once */

/* ---- around it --------------------------------------------------------------------- */

extern char work[]; /* a folder of the test's own */
int make_work(void **state);
int remove_work(void **state);
char *in_work(const char *name);                 /* the path; lives until the test program ends */
void make_file(const char *name, uint64_t size); /* in work, sparse */

pid_t start(const char *const *words); /* ends with NULL */
int run(const char *const *words);     /* its exit status */
void stop(pid_t);                      /* TERM, and waits */
bool has(const char *program);
/* skip() of cmocka, or a failure where WEIR_MUST_WORK=1 */
void skip_unless(bool, const char *what);
void wait_until(bool (*)(void *), void *arg, const char *what); /* at most 20 s */
bool exists(void *path);

#endif
