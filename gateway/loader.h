/* loader.h - how does a shared object become a filter that may be trusted with a chain?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOADER_H
#define WEIR_LOADER_H

#include "weir-filter.h"

/* A loaded filter: our own copy of its table, cut or padded to the size we know. */
struct library {
    struct weir_filter filter;
    const char *path;
    /* private to loader.c from here on */
    void *handle;
    unsigned users;
    struct library *next;
};

/* "dir:dir…": where weir-filter-NAME.so is looked for, first hit wins. */
int loader_path(const char *folders);

/* Gives the filter NAME, loading it at the first call.  0; -ENOENT (the sentence names
 * the folders and the nearest name), -ENOEXEC (not a filter, or of another ABI: both
 * versions are named), -EINVAL (its tables are wrong: the row is named). */
int loader_get(const char *name, struct library **ret, struct weir_text *why);
struct library *loader_ref(struct library *); /* one more user */
void loader_put(struct library *);            /* NULL is fine */
/* Loads what is now on disk beside what is in use; later loader_get()s give it. */
int loader_refresh(const char *name, struct library **ret, struct weir_text *why);

/* The names of all filters that could be loaded, sorted, ending with NULL; one free(). */
char **loader_names(void);

const char *class_name(enum weir_class); /* "cache"; "none" */

#endif
