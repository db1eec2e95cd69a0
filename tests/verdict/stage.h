/* stage.h - how does a test put probe filters and a store of its own around the core?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A test gives probes what to do, opens the stage, sends requests and reads who was told
 * what.  Probe 0 stands on top.  Everything is in this process: the core is the real one,
 * the store is an array. */
#ifndef STAGE_H
#define STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export.h"
#include "text.h"

enum { PROBES = 5, STORE = -1, DISK = 1 << 20 };

struct probe {
    /* what it does; NULL passes */
    enum weir_verdict (*down)(struct probe *, struct weir_request *);
    enum weir_verdict (*up)(struct probe *, struct weir_request *);
    void (*abort)(struct probe *, struct weir_request *);
    int (*event)(struct probe *, const struct weir_event *, struct weir_text *);
    void (*drain)(struct probe *, bool begin);
    bool stays_busy; /* refuses to be drained */
    int (*geometry)(struct probe *, struct weir_geometry *, struct weir_text *);
    int (*attach)(struct probe *, struct weir_text *);
    void (*detach)(struct probe *);
    /* for the test's use */
    void *arg;
    int error;
    enum weir_verdict verdict;
    struct weir_request *held;
    sem_t sem;
    /* what it is */
    int index;
    struct weir_below *below;
    struct library library;
};
extern struct probe probes[PROBES];

/* The store answers with this, or like a disk when it is NULL. */
extern int (*store_answer)(struct weir_request *);
extern uint8_t store_disk[DISK];
extern int store_event_error;  /* what its grow and snapshot return */
extern const char *store_name; /* which disk it is; NULL: it cannot say */
int store_like_a_disk(struct weir_request *);

/* One call of a probe's down() or up(), or of the store. */
struct seen {
    int who;   /* a probe, or STORE */
    char side; /* '>' down, '<' up, '=' store */
    struct weir_request req;
};
enum { SEEN_MAX = 256 }; /* later calls are not written down */
extern struct seen seen[SEEN_MAX];
/* The calls in order: "0>w 1>w s=w 1<w 0<w": who, which way, first letter of the
 * operation, and "!EIO" where an error was seen on the way up.  Valid until the next. */
const char *told(void);
const char *error_name(int error); /* "" for 0, and ENOTSUP by the name that NBD uses */
void forget(void);
/* The n-th call of `who` on that side, or NULL. */
const struct seen *saw(int who, char side, unsigned n);

/* Setup and teardown of every test. */
int stage_setup(void **state);
int stage_teardown(void **state);
/* Inside a probe: a false one fails the test at its end, for cmocka's assertions jump out
 * of the core's walk and leave it broken. */
#define must(condition) stage_must((condition), #condition, __FILE__, __LINE__)
void stage_must(bool, const char *condition, const char *file, int line);
#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)

extern struct export *stage; /* NULL until stage_open() */
extern uint64_t stage_hold_limit;
extern enum on_failure stage_on_failure;
extern bool stage_plaintext_filters;
extern char stage_why[512]; /* the last sentence of stage_open() and stage_apply() */

/* An export through the first `count` probes, opened.  -errno as export_open() has it. */
int stage_open(unsigned count);
/* The same through filters of the build, each "NAME OPTION=VALUE OPTION=VALUE…"; the list
 * ends with NULL.  The test is linked with export_dynamic, for they call the gateway. */
int stage_open_filters(const char *const *filters);
/* Makes the chain be these probes; ends with -1. */
int stage_apply(const int *which);
/* Another export, through these probes, which the test closes; its store has the same bytes. */
int stage_open_other(const int *which, struct export **ret);
/* A plan of these probes; ends with -1. */
void stage_plan(struct plan *, const int *which);
void stage_close(void);
enum export_state stage_state(void);
/* Of a filter's label, "store" or "export"; good until the next call. */
const struct figures *figures_of(const char *where, enum weir_op);

/* One request, answered: 0 or a positive errno. */
int ask(enum weir_op, uint64_t offset, uint64_t length, uint32_t flags, void *data);

/* EXTENTS, with what came back. */
int ask_extents(uint64_t offset, uint64_t length, uint32_t flags);
enum { EXTENTS_MAX = 16 };
extern struct extent_seen {
    uint64_t offset, length;
    uint32_t type;
} extent[EXTENTS_MAX];
extern size_t extent_count;

/* The same on a thread of its own. */
struct client {
    pthread_t thread;
    enum weir_op op;
    uint64_t offset, length;
    uint32_t flags;
    void *data;
    int error;
    _Atomic bool done;
};
void client_start(struct client *, enum weir_op, uint64_t offset, uint64_t length, void *data);
int client_wait(struct client *);

/* Fails the test when `condition` is still false after 60 s, which decides nothing. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        for (int tries_ = 0; !(condition); tries_++) {                                             \
            assert_true(tries_ < 60000);                                                           \
            usleep(1000);                                                                          \
        }                                                                                          \
    } while (0)
void take(sem_t *); /* waits at most 60 s for a post */

/* Does an event since stage_setup() contain both words? */
bool event_says(const char *word, const char *other);

uint64_t stage_now(void);    /* ns, CLOCK_MONOTONIC */
uint64_t seed_of_test(void); /* from WEIR_SEED, else from the clock; printed */
uint64_t next_random(uint64_t *state);

/* Between the files of the stage. */
void write_down(int who, char side, const struct weir_request *);
void probe_init(struct probe *, int index);
extern const struct store_type array_store;
void array_reset(void);

#endif
