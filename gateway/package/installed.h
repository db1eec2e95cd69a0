/* installed.h - which packages are in a folder of filters, and how does one come to be another?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   FOLDER/weir-filter-NAME.so -> packages/NAME/ID/weir-filter-NAME.so
 *   FOLDER/packages/NAME/ID/{manifest,manifest.sig,weir-filter-NAME.so,…}
 *
 * A version has a folder of its own, ID, which is complete before it has its name, and is never
 * changed.  The link is all that says which version is installed: one rename() goes over, or
 * back, and a crash leaves the old one or the new one, whole. */
#ifndef WEIR_PACKAGE_INSTALLED_H
#define WEIR_PACKAGE_INSTALLED_H

#include "package.h"

enum { PACKAGE_ID = 96 };
/* VERSION-DIGEST: the same package has the same, on every host. */
int package_id(const struct package *, char id[PACKAGE_ID]);
bool package_id_is_plain(const char *id);

struct installed {
    char *id;                 /* NULL: a file that is of no package */
    struct manifest manifest; /* where there is an id */
};
/* -ENOENT: nothing of that name.  -EINVAL with the sentence: what is there makes no sense. */
int installed_find(const char *folder, const char *name, struct installed *ret,
                   struct weir_text *why);
void installed_finish(struct installed *);
#define cleanup_installed __attribute__((cleanup(installed_finish)))

/* The manifest beside a filter's file, with all links followed.  -ENOENT: it is of no package. */
int manifest_of(const char *real, struct manifest *ret);

/* FOLDER/packages/NAME/ID/FILE; the caller frees; NULL: no memory. */
char *installed_path(const char *folder, const char *name, const char *id, const char *file);

/* One at a time changes a folder: *ret is closed to let the next one.  -EBUSY: somebody does. */
int installed_lock(const char *folder, int *ret, struct weir_text *why);
/* The steps, each durable when it returns.  *fresh: it was not there before. */
int installed_stage(const char *folder, const struct package *, const char *id, bool *fresh,
                    struct weir_text *why);
int installed_point(const char *folder, const char *name, const char *id, struct weir_text *why);
int installed_unpoint(const char *folder, const char *name, struct weir_text *why);
void installed_discard(const char *folder, const char *name, const char *id); /* a staged one */
/* A file that is of no package, and that a link is to take the place of: kept until a sweep, and
 * put back. */
int installed_keep_plain(const char *folder, const char *name, struct weir_text *why);
int installed_plain_back(const char *folder, const char *name, struct weir_text *why);
/* Removes the versions that are neither of the two (NULL: none), and what a crash left. */
void installed_sweep(const char *folder, const char *name, const char *keep, const char *too);
/* Compares the bytes of each of its files with the manifest. */
int installed_verify(const char *folder, const struct installed *, struct weir_text *why);

#endif
