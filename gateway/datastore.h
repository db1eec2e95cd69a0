/* datastore.h - what do all disks of one datastore share in this gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One object for each datastore that the configuration names; every export on it holds
 * a reference.  What is const never changes: a datastore whose store is another one is
 * another object, and its exports are opened again. */
#ifndef WEIR_DATASTORE_H
#define WEIR_DATASTORE_H

#include "options.h"
#include "store.h"

/* ---- the keys that every datastore has, whatever its store type ---------------- */

enum distribution { SERVICE_FIXED, SERVICE_EXPONENTIAL };

struct datastore_keys {
    uint64_t latency_threshold; /* ns; 0: auto */
    const char *exchange;       /* "": not said; "none": off */
    struct {
        int64_t servers;       /* 0: the datastore is as fast as it is */
        uint64_t service_time; /* ns */
        int distribution;      /* enum distribution */
    } emulate;
};

extern const struct weir_option datastore_rows[]; /* a dot is a group of the file */
/* What the table cannot say: which keys go together. */
int datastore_keys_check(const struct settings *, struct weir_text *why);

/* ---- the datastore -------------------------------------------------------------- */

struct datastore {
    atomic_uint refs;
    const char *name;
    const struct store_type *type;
    const void *options;  /* what the store type reads: its config struct */
    const char *base;     /* relative paths start here: the folder of the configuration */
    const char *folder;   /* where the disks lie on this host, absolute; NULL: nowhere */
    const char *exchange; /* absolute, or "none"; NULL: not said */
    /* LIVE keys: read anew each time, by any thread */
    _Atomic uint64_t latency_threshold; /* ns; 0: auto */

    struct emulation *emulation; /* the device in front of its stores; NULL: none */

    struct settings *type_settings; /* holds `options` */
};

struct datastore_setup {
    const char *name, *base; /* base NULL: "/" */
    const struct store_type *type;
    const struct settings *options, *keys; /* are copied; NULL: all defaults */
};
int datastore_create(const struct datastore_setup *, struct datastore **ret);
struct datastore *datastore_ref(struct datastore *);
void datastore_unref(struct datastore *); /* NULL is fine */

/* Are two sets of keys the same in all that is not LIVE? */
bool datastore_keys_equal(const struct settings *, const struct settings *);
/* "4 servers, 4ms each, fixed", or "none". */
void datastore_print_emulate(const struct settings *keys, struct weir_text *);
/* The LIVE keys become what `keys` say. */
void datastore_apply(struct datastore *, const struct settings *keys);

#endif
