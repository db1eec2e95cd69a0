/* index-list.h - what do the parts of an index know of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_INDEX_LIST_H
#define WEIR_VAULT_INDEX_LIST_H

#include "index-run.h"

#include <pthread.h>

/* Runs of one level, ascending. */
struct run_list {
    struct run **run;
    size_t count, room;
};

/* Segments are added in memory (active), become a run in memory when a frame of a later one comes
 * (index.c), a file of level 0 soon after, and parts of larger runs when the
 * log has left the span of those (index-work.c).  A run is never changed: it is taken off its list,
 * or exchanged for the same in a file. */
struct index {
    struct medium *medium; /* the caller's */
    struct log *log;
    struct cache *cache;
    atomic_ullong trimmed;

    pthread_mutex_t lock; /* guards all below; no I/O under it; a leaf, but for the cache's */
    pthread_cond_t changed;
    struct run_list level[LEVELS];
    uint64_t next;          /* frames before this position were added */
    uint64_t active_from;   /* the segment that is being added to … */
    struct entries active;  /* … in the order of LSNs */
    struct run_facts facts; /* of its frames, of which there are … */
    uint64_t frames;
    uint64_t merged[LEVELS]; /* no run of this level is to be made before there */
    bool working, stopping, threaded;
    unsigned paused; /* index_cut(): the worker does not begin anything */
    pthread_t worker;
};

/* index.c; with the lock. */
int run_list_add(struct run_list *, struct run *); /* takes the reference over on success */
void run_list_remove(struct run_list *, size_t i); /* the reference is the caller's then */
size_t run_list_behind(const struct run_list *,
                       uint64_t position); /* the first that ends behind it */
struct run *run_list_find(const struct run_list *, uint64_t position); /* that holds it, or NULL */
/* The largest runs of up to `most` that make up [from, to), oldest first; each is held. */
struct cover {
    struct run **run;
    size_t count, room;
};
int index_cover(struct index *, uint64_t from, uint64_t to, unsigned most, struct cover *);
void cover_finish(struct cover *);

/* Segments of [from, to) that have no run are made again from the log; the last one is the active
 * one then.  Only for who adds frames. */
int index_refill(struct index *, uint64_t from, uint64_t to);

/* index-work.c */
int index_work_start(struct index *);
void index_work_pause(struct index *, bool pause); /* true: waits until nothing is being written */
/* Writes all runs in memory.  For who makes many again. */
int index_write_all(struct index *);

/* Facts of a run, reading its header if need be. */
int index_facts(struct index *, struct run *, struct run_facts *ret);
/* A run's file is damaged or gone: the run is taken off; one segment is made again from the log. */
int index_mend(struct index *, struct run *);

#endif
