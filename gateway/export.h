/* export.h - what is a disk that clients open, and what can be done to it while they do?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An export is a store, a chain of filters in front of it, and a gate through which
 * every client request passes.  Control operations take turns (one at a time per
 * export); those that change the chain close the gate, wait until nobody is inside,
 * change it and open the gate again: clients wait, none fails. */
#ifndef WEIR_EXPORT_H
#define WEIR_EXPORT_H

#include "datastore.h"
#include "loader.h"
#include "pool.h"
#include "stats.h"

enum { CHAIN_MAX = 16 }; /* filters of one export */

/* ---- what a policy asks for -------------------------------------------------- */

enum on_failure { ON_FAILURE_LOCK, ON_FAILURE_BYPASS };

struct plan_filter {
    struct library *library; /* a reference of its own */
    char *label;             /* unique in the plan: the filter's name, or name-2 … */
    struct settings *settings;
};

struct plan {
    size_t count;
    struct plan_filter filter[CHAIN_MAX]; /* in chain order: plan_sort() */
    bool plaintext_filters;
    uint64_t hold_limit; /* ns; 0: none */
    enum on_failure on_filter_failure;
    struct pools *pools; /* that its filters may ask for; a reference, or NULL */
};

/* Puts the filters into the order of their classes.  -EEXIST: two of one class. */
int plan_sort(struct plan *, struct weir_text *why);
void plan_finish(struct plan *); /* frees what it holds */

/* ---- the export -------------------------------------------------------------- */

enum export_state { EXPORT_CLOSED, EXPORT_OPENING, EXPORT_ACTIVE, EXPORT_LOCKED };

struct export_config {
    char *name, *description;
    struct datastore *datastore; /* a reference */
    char *image;
    uint64_t size; /* bytes; 0: the store knows */
    bool read_only;
    char **allow;        /* rules, ends with NULL; NULL: everybody */
    struct export *base; /* a reference to what it is a point of, made because a client asked
                            (dynamic.h); NULL: configured */
};
void export_config_finish(struct export_config *);
char **copy_rules(char *const *); /* of allow; NULL: no memory */

struct export;

/* Takes over what `config` and `plan` hold, at success only.  Does no I/O. */
int export_create(struct export_config *, struct plan *, struct export **ret);
struct export *export_ref(struct export *);
void export_unref(struct export *); /* the last one closes and frees; NULL is fine */

/* Opens the store and attaches the filters.  On failure the export is LOCKED with the
 * reason; calling again tries again.  `why` may be NULL. */
int export_open(struct export *, struct weir_text *why);
/* Drains, flushes, detaches and closes the store.  0, or the flush's -errno. */
int export_close(struct export *);

/* Makes the chain be what `plan` says and takes over what it holds, whatever comes back.
 * Filters that stay keep their state; LIVE options change without a pause; the rest
 * happens while the export is drained.  When a filter refuses, the old chain is put
 * back and -errno returned with the sentence. */
int export_apply(struct export *, struct plan *, struct weir_text *why);
/* The same for several at once: all stand still while their chains change, for filters that
 * share something which two versions cannot have at a time.  When one refuses, list[*failed],
 * all are put back.  Nobody else takes more than one turn. */
int export_apply_all(struct export *const *list, struct plan *plans, size_t count, size_t *failed,
                     struct weir_text *why);
/* One LIVE option of one filter, by label.  -ENOENT, -EPERM (not LIVE), -EINVAL, -ERANGE. */
int export_set_option(struct export *, const char *label, const char *option, const char *value,
                      struct weir_text *why);
/* PREPARE, then COMMIT or CANCEL, through the whole chain, drained; the core does its own
 * part (GROW, SNAPSHOT) between the two. */
int export_event(struct export *, enum weir_event_type, const char *name, uint64_t size,
                 struct weir_text *why);
/* Whether it would be granted: PREPARE and then CANCEL, whatever the filters say. */
int export_ask(struct export *, enum weir_event_type, const char *name, uint64_t size,
               struct weir_text *why);
/* STUN in two halves, for those who do something meanwhile. */
int export_stun(struct export *, struct weir_text *why);
void export_unstun(struct export *);
/* Of a filter, or of the store where `label` is NULL, as in all below that take one.  -EBUSY
 * while it is stunned. */
int export_run_verb(struct export *, const char *label, const char *verb, const char *arguments,
                    struct weir_text *answer);

/* The gateway is about to stop: tells the filters to hold nothing from now on, whatever
 * comes, cuts short what waits for a time and ends a stun, so that all that is in flight or
 * waits at the gate comes to its own end.  Waits for none of it, nor for a turn: a control
 * operation that is under way does it at its end.  There is no way back but a close. */
void export_ease(struct export *);

/* The administrator's lock: every request fails with EIO.  Unlocking also takes back the
 * core's lock for a filter that did not let go, never what a filter locked itself. */
void export_lock(struct export *, const char *why);
void export_unlock(struct export *);

/* How long a drain waits at least before it says who does not let go. */
extern unsigned export_drain_ms;

/* ---- the data path ----------------------------------------------------------- */

/* Serves one client request on the calling thread; op, flags, offset, length and data
 * are set.  0 or a positive errno, one that NBD carries.  The store of an export without
 * filters may serve from another export in this way, which does not. */
int export_serve(struct export *, struct weir_request *);

/* Around derived I/O (derived.c): drain waits for it.  `begin` blocks while the disk
 * stands still and the filter should be drained; -ESHUTDOWN when the filter leaves. */
int export_derived_begin(struct export *, const struct weir_below *);
void export_derived_end(struct export *);
bool export_derived_idle(const struct export *); /* at this moment */

/* ---- what can be read of it -------------------------------------------------- */

const struct export_config *export_config(const struct export *);
const char *export_name(const struct export *);
void export_geometry(const struct export *, struct weir_geometry *); /* as clients see it */

struct export_view { /* a copy: free with export_view_finish() */
    enum export_state state;
    char *reason;                             /* why it is locked; "" */
    uint64_t generation;                      /* +1 with each applied change */
    unsigned connections, in_flight, waiting; /* waiting: at the gate */
    uint64_t last_pause_ns, longest_pause_ns; /* the gate was closed */
    size_t count;
    struct filter_view {
        const char *label; /* points into the plan below */
        const struct weir_filter *filter;
        const char *path; /* of its shared object */
        const struct settings *settings;
        unsigned held; /* requests it holds now */
        uint64_t oldest_hold_ns, longest_hold_ns;
        bool bypassed;
    } filter[CHAIN_MAX];
    struct plan plan; /* keeps libraries and settings alive */
};
int export_view(struct export *, struct export_view *ret); /* 0 or -ENOMEM */
void export_view_finish(struct export_view *);
/* Its description, and its state unless that is active: for lists that clients see. */
void export_describe(struct export *, struct weir_text *);

enum export_place { PLACE_EXPORT, PLACE_STORE, PLACE_FILTER };
/* Figures of a place; `label`: of the filter.  Its index would not do: another chain may have
 * given it to another filter since somebody looked.  -ENOENT: no such place any more. */
int export_figures(struct export *, enum export_place, const char *label, enum weir_op,
                   struct figures *);
/* Prints one of the filter's or the store's own statistics by name, as the mount shows it.
 * -ENOENT: there is none, or it is not at work. */
int export_print_stat(struct export *, const char *label, const char *stat, struct weir_text *);
/* For metrics: the merged histogram of a filter's WEIR_HISTOGRAM; the caller frees. */
int export_stat_histogram(struct export *, const char *label, const char *stat,
                          struct weir_histogram **ret);

void export_connected(struct export *);
void export_disconnected(struct export *);
const char *export_state_name(enum export_state);

#endif
