/* installer.h - what do the commands that change the installed filters share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_INSTALLER_H
#define WEIR_WEIRCTL_INSTALLER_H

#include "filters.h"
#include "installed.h"
#include "trust.h"

struct installer {
    const struct invocation *invocation;
    char *folder; /* the first of the path: where packages go */
    int lock;     /* held until the end; -1 */
    struct trust trust;
    struct gateways all; /* those that do not look in the folder have no connection any more */
};
#define cleanup_installer __attribute__((cleanup(installer_end)))

/* The folder and whom to trust; for what changes nothing. */
enum exit_code installer_look(const struct invocation *, struct installer *);
/* And the lock, and the gateways that are to be asked: all that live must answer. */
enum exit_code installer_begin(const struct invocation *, struct installer *);
void installer_end(struct installer *);

/* Is it of this ABI, and signed as it must be?  *signer: NULL nobody known; the caller frees. */
enum exit_code installer_judge(const struct installer *, const struct package *, const char *file,
                               char **signer);
/* filter-relations.c: are the filters installed that the package requires, and is it, for those
 * that require it, new enough?  Then: may NAME be removed, for all that they say? */
enum exit_code relations_judge(const struct installer *, const struct manifest *, const char *file);
enum exit_code relations_judge_removed(const struct installer *, const char *name);
/* {"op":"do","verb":VERB,"filter":NAME} */
struct json_object *filter_request(const char *verb, const char *name);
/* The names of what lies in the folder, sorted, ends with NULL; one free(). */
char **installer_names(const struct installer *);

#endif
