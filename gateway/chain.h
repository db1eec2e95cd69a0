/* chain.h - which filters does a request walk through, and what does each own?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A chain is immutable while requests are inside; a place is one filter at work on one
 * export and may outlive a chain when the next one keeps it. */
#ifndef WEIR_CHAIN_H
#define WEIR_CHAIN_H

#include "export.h"
#include "order.h"

/* What a place holds of the disk, by weir_keep(). */
enum keeping {
    KEEPS_UNKNOWN, /* it changes, or failed to change */
    KEEPS_NOTHING,
    KEEPS,        /* remembered durably */
    KEEPS_NO_MORE /* it was bypassed, so it must not */
};

/* One filter on one export: what the public header calls weir_below. */
struct weir_below {
    struct export *export;
    struct library *library;
    char *label;
    void *self;
    const struct chain *chain; /* the one that this place is in … */
    int index;                 /* … and where; both change only while drained */
    struct settings *_Atomic settings;
    struct retired *retired; /* settings that a request may still look at */
    struct shards *shards;   /* the filter's own statistics; NULL when it has none */
    struct counting *counting;
    struct order *order; /* NULL unless WEIR_NEEDS_ORDER */
    struct weir_geometry below, above;
    atomic_int folder;             /* state; -1 until asked for */
    atomic_uint held;              /* requests that the filter holds now */
    _Atomic uint64_t longest_hold; /* ns */
    atomic_bool bypassed;          /* it sat on a request and policy says go on without it */
    atomic_int keeping;            /* enum keeping */
    atomic_bool drained;           /* between drain(true) and drain(false) */
    atomic_bool leaving;           /* being detached: its own threads may not derive any more */
    unsigned readers;              /* who looks at statistics; under the export's lock … */
    bool readable;                 /* … and whether anybody may; as is this */
    bool attached;
    char *locked; /* why this filter locks the disk; NULL; under the export's lock, as is … */
    char *stuck;  /* … why the core does, because of it */
    bool told_to_drain;           /* drain(true) was called and drain(false) was not */
    struct pools *pools;          /* that it may ask for, and … */
    struct told_pool *told_pools; /* … what it was told; both under the export's lock */
};

int place_create(struct export *, struct plan_filter *, struct weir_below **ret);
void place_destroy(struct weir_below *); /* not attached; NULL is fine */
/* Attaches with `below` as what it stands on and works out what it shows above. */
int place_attach(struct weir_below *, const struct weir_geometry *below, struct weir_text *why);
void place_detach(struct weir_below *);
/* -errno with the filter's sentence: it refuses to be drained; it must be told the end. */
int place_drain(struct weir_below *, bool begin, struct weir_text *why);
/* Takes `settings` over; requests may be inside. */
int place_apply(struct weir_below *, struct settings *);
/* Nobody is inside: frees what place_apply() replaced. */
void place_forget_retired(struct weir_below *);

/* What the walk reads of a place, side by side. */
struct link {
    enum weir_verdict (*down)(void *self, struct weir_request *);
    enum weir_verdict (*up)(void *self, struct weir_request *);
    void *self;
    struct weir_below *place;
    struct order *order;
    uint32_t ops;
    uint32_t scratch, scratch_size; /* where in the request's scratch space */
};

struct chain {
    struct export *export;
    int count;
    struct link link[CHAIN_MAX];
    size_t scratch_size; /* of all together */
    uint64_t hold_limit; /* ns; 0: none */
    enum on_failure on_filter_failure;
    const struct store_type *store;
    void *store_self;
    uint32_t store_ops;
    struct counting *store_counting;
};

/* Lists the places top first; fills the links. */
int chain_create(struct export *, struct weir_below *const *places, int count, const struct plan *,
                 struct chain **ret);
void chain_destroy(struct chain *); /* not its places; NULL is fine */

#endif
