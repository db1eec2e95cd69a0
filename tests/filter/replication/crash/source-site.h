/* source-site.h - how does a test have replicated disks without a gateway, and crash them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The filter's own code between a core that is just large enough (core-fake.c) and a wire that
 * leads into a target of the same process (wire-fake.c).  Disks and state folders are media in
 * memory. */
#ifndef TESTS_SOURCE_SITE_H
#define TESTS_SOURCE_SITE_H

#include "weir-filter.h"

#include "medium-memory.h"
#include "target-site.h"

#include <pthread.h>

enum { SITE_DISKS = 2, SITE_SIZE = 1 << 20, HELD_MAX = 32 };

/* What the core knows of one disk. */
struct weir_below {
    char name[16];
    struct source *source;
    unsigned number;
    struct medium_file *file; /* its store */
    void *self, *config, *stats;
    atomic_bool locked;
    /* Guards `held`: ranges of writes under way. */
    pthread_mutex_t order;
    pthread_cond_t left;
    struct {
        uint64_t offset, length;
        bool taken;
    } held[HELD_MAX];
};

/* The network between the two; every request takes a while, and may be lost. */
struct network {
    struct target *_Atomic target; /* NULL: nobody answers */
    atomic_bool cut;
    atomic_uint delay_us,
        lose; /* lose: one of so many requests ends with its connection; 0: none */
    /* Frames from that place in the log on stay under way; 0: none does. */
    _Atomic uint64_t hold_from, farthest; /* farthest: of all that were sent */
    _Atomic uint64_t refuse_from; /* frames from there on are refused: there is no room; 0: none */
    atomic_uint opened;           /* connections, ever */
    atomic_uint busy;             /* requests that are with the target now */
    void (*gate)(void *arg);      /* before a request is done */
    void *gate_arg;
};

struct source {
    struct memory *memory;
    struct network *network;
    struct weir_below disk[SITE_DISKS];
    unsigned disks; /* attached */
    int mode, without_peer;
    uint64_t ring, spill, peer_timeout;
    atomic_uint lies; /* one of so many writes is done, and refused; 0: none */
    /* When the copier has read, and nobody knows of it yet. */
    void (*on_read)(void *arg);
    void *on_read_arg;
    void (*on_lock)(struct weir_below *); /* before an export is locked */
};

/* Which source is alive: the filter's calls say of what, not of which site. */
extern struct source *site_source;

struct source *source_create(struct network *);
struct source *source_crash(struct source *, struct network *, size_t ops, enum memory_loss,
                            uint64_t seed);
void source_destroy(struct source *);
/* The two disks of the group get their filters. */
int source_start(struct source *, char why[SITE_WHY]);
void source_stop(struct source *); /* in order */
/* One disk loses its filter, in order, and gets it again; the other stays in the group. */
void source_take_disk(struct source *, unsigned disk);
int source_give_disk(struct source *, unsigned disk, char why[SITE_WHY]);
int source_restart_disk(struct source *, unsigned disk, char why[SITE_WHY]);
/* A verb of that disk's filter, without arguments; 0 or a negative errno, and what it says. */
int source_verb(struct source *, unsigned disk, const char *verb, char answer[SITE_WHY]);
/* A request of a guest; 0 or a positive errno. */
int source_request(struct source *, unsigned disk, enum weir_op, void *data, uint64_t length,
                   uint64_t offset, bool fua);
int source_read(struct source *, unsigned disk, void *data, size_t length, uint64_t offset);
struct sight {
    bool in_step; /* all that is here is at the target, in a state(k), for good */
    bool all_sent;
    bool stopped; /* nothing is sent any more until an operator has chosen */
    bool locked;  /* all exports */
    uint64_t dirty, intents, lsn, received, complete_durable;
};
struct sight source_look(struct source *);
/* What the filter says of itself, as JSON; malloc'ed. */
char *source_status(struct source *);

#endif
