/* edit.h - what do all edits of a running configuration have in common?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_EDIT_H
#define WEIR_CONFIG_EDIT_H

#include "running.h"

/* One edit: the running configuration with some sources replaced, added or gone. */
struct edit {
    struct report *report;
    struct configuration *old, *new;
    struct {
        struct source *was, *is; /* either may be NULL */
    } source[EDITS_MAX];
    size_t count;
};

/* Takes the turn unless it is for a check only; false, and reported, when nothing runs. */
bool edit_begin(struct edit *, struct report *);
/* Reports that the configuration has no export of this name. */
void edit_no_export(struct edit *, const char *name);
/* `text` becomes the source at PATH in the place of `was`; lines are of `shown`. */
int edit_replace(struct edit *, enum source_kind, struct source *was, const char *shown,
                 const char *path, const char *text);
void edit_remove(struct edit *, struct source *was);
int edit_check(struct edit *); /* makes e->new */
/* Applies and saves; each source gets the name that its file has for messages. */
int edit_apply(struct edit *, const char *const *names);
void edit_end(struct edit *);

/* An edit of one value, whose mistakes become one sentence for who set it.  It waits for its
 * turn; false: nothing runs.  The end comes in either case. */
struct value_edit {
    struct edit edit;
    struct mistakes mistakes;
    struct report report;
};
bool value_edit_begin(struct value_edit *);
void value_edit_end(struct value_edit *, struct weir_text *why);

#endif
