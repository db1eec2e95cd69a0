/* loader.h - how does a shared object become a filter that may be trusted with a chain?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOADER_H
#define WEIR_LOADER_H

#include "weir-filter.h"

#include "loader-file.h"

/* A loaded filter: our own copy of its table, cut or padded to the size we know. */
struct library {
    struct weir_filter filter;
    const char *path;
    /* private to loader.c and loader-file.c from here on */
    void *handle; /* NULL: not made by the loader */
    unsigned users;
    bool forgotten; /* loader_get() looks on disk again */
    struct library *next;
    struct loader_file file; /* what it was loaded from */
};

/* "dir:dir…": where weir-filter-NAME.so is looked for, first hit wins. */
int loader_path(const char *folders);

/* Gives the filter NAME, loading it at the first call.  0; -ENOENT (the sentence names
 * the folders and the nearest name), -ENOEXEC (not a filter, or of another ABI: both
 * versions are named), -EINVAL (its tables are wrong: the row is named). */
int loader_get(const char *name, struct library **ret, struct weir_text *why);
struct library *loader_ref(struct library *); /* one more user */
void loader_put(struct library *);            /* NULL is fine */
/* Loads what is now on disk beside what is in use; later loader_get()s give it.  The same bytes
 * are the same library. */
int loader_refresh(const char *name, struct library **ret, struct weir_text *why);

/* The steps of that, for those who ask first whether all can live with it.  Loads what is on
 * disk, or `path`, which is said to hold the filter NAME; later loader_get()s do not give it. */
int loader_candidate(const char *name, const char *path, struct library **ret,
                     struct weir_text *why);
/* On this thread alone, until NULL is said: loader_get() of its name gives it. */
void loader_try(struct library *);
void loader_prefer(struct library *); /* for all, from now on */
void loader_forget(const char *name); /* the next loader_get() looks on disk */
/* Is it what lies on disk now?  0, or -ESTALE with the sentence.  Cheap: it looks at the file's
 * status, and at its bytes when that has changed. */
int loader_drift(struct library *, struct weir_text *why);
/* Where it lies now, or, tried out on this thread, where it comes from, with all links followed;
 * the caller frees.  NULL: nowhere. */
char *loader_real(const struct library *);
/* Who admits and vouches, for the whole process; it stays where it is. */
void loader_guard(const struct loader_guard *);

/* The names of all filters that could be loaded, sorted, ending with NULL; one free(). */
char **loader_names(void);

const char *class_name(enum weir_class); /* "cache"; "none" */

#endif
