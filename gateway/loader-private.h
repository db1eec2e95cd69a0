/* loader-private.h - what do the files of the loader share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOADER_PRIVATE_H
#define WEIR_LOADER_PRIVATE_H

#include "loader.h"

#include <pthread.h>

/* One per process, as the dynamic linker's own list is. */
struct loader {
    pthread_mutex_t lock; /* all of this; dlopen() runs under it, because two loads of
                             one object must not pass each other; taken after nothing */
    char *path;
    struct library *loaded; /* loader_get() gives the first of a name */
    const struct loader_guard *guard;
    unsigned serial; /* of the next copy's name */
};
extern struct loader loader;

/* Under the lock: where NAME would be loaded from; the caller frees.  NULL: nowhere. */
char *loader_find(const char *name);

/* loader-judge.c: 0, or -errno with the sentence. */
int loader_judge_header(const struct weir_filter *, const char *path, struct weir_text *why);
int loader_judge_body(const struct weir_filter *, const char *path, struct weir_text *why);
/* -ENOEXEC: "PATH is not a weir filter: WHAT". */
int loader_refuse(struct weir_text *why, const char *path, const char *what);

#endif
