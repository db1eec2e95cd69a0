/* store.h - what must a disk store offer to stand at the end of a chain?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A store type is one table: plugins/store-NAME.c defines it and plugins/stores.c
 * lists it.  Its options are the keys of a `datastores` entry. */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "weir-filter.h"

struct export;

struct store_image {
    const char *datastore; /* the name of the datastore, for messages */
    const char *image;     /* as the export says it; "" when it does not */
    const char *folder;    /* relative paths of the datastore start here */
    uint64_t size;         /* bytes; 0: the export does not say */
    bool read_only;
    struct export *base; /* that it is a point of (dynamic.h), there until close(); NULL: none */
};

/* What a datastore as a whole can say of itself; 0 where it cannot. */
struct store_space {
    uint64_t size, free; /* bytes */
};

struct store_type {
    const char *name, *summary; /* as in `type = "file"`; one sentence */
    size_t self_size;           /* per opened image, zeroed, passed as self */
    size_t config_size;
    const struct weir_option *options; /* ends with a NULL name */

    /* All return 0 or -errno; the sentence for people goes to `why`. */
    int (*check)(const void *config, struct weir_text *why);
    /* Opens or creates the image and takes it for this process alone.  On failure
     * nothing is left behind and close() is not called.  `config` outlives self. */
    int (*open)(void *self, const struct store_image *, const void *config, struct weir_text *why);
    void (*geometry)(void *self, struct weir_geometry *);
    /* Answers one request, many at once, each on its own thread.  Ranges are inside
     * the geometry and on its block_min.  0 or -errno, one that NBD carries. */
    int (*serve)(void *self, struct weir_request *);
    int (*grow)(void *self, uint64_t size, struct weir_text *why);
    int (*snapshot)(void *self, const char *name, struct weir_text *why);
    void (*close)(void *self);
    int (*space)(const void *config, const char *folder, struct store_space *);
    /* The folder of this host that the disks lie in, as `config` says it ("": where
     * relative paths start); NULL, as is the function: there is none. */
    const char *(*folder)(const void *config);
    /* Which disk it is, by what is stable (weir_identity()); zeroed before.  NULL: the store
     * cannot tell its disks apart. */
    int (*identity)(void *self, struct weir_identity *);
    /* What an open image tells and can be told to do, shown as exports/NAME/store: kinds VALUE
     * and TEXT, many at once; verbs one at a time, which may block.  Neither before open() has
     * returned nor after close() was called.  Each ends with a NULL name; or NULL. */
    const struct weir_stat *stats;
    const struct weir_verb *verbs;
    /* Its disks can be opened as they were: where an export EXPORT has the image IMAGE, a client
     * that asks for EXPORT@POINT opens the image IMAGE@POINT.  Says of such an image whether it is
     * for writing, or that nothing can be called so: -errno with a sentence.  Whether it is there
     * is open()'s to say.  NULL: they cannot. */
    int (*point)(const char *image, bool *written, struct weir_text *why);
};

const struct store_type *store_find(const char *type); /* NULL: no such type */
const struct store_type *const *store_types(void);     /* ends with NULL */

#endif
