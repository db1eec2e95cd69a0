/* running.h - what does the gateway run with now, and whose turn is it to change that?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_RUNNING_H
#define WEIR_CONFIG_RUNNING_H

#include "configuration.h"

/* A reference; NULL before config_start() and after config_stop(). */
struct configuration *running_get(void);

/* Changes take turns: between the two nobody else changes anything.  A turn may do I/O
 * and take long, so it is a flag and not a lock. */
void running_begin(void);
void running_end(void);
void running_set(struct configuration *); /* within a turn; takes it over */

/* One file that an accepted change leaves behind. */
struct file_edit {
    const char *path, *name;   /* absolute; for messages */
    const char *header, *text; /* text NULL: the file goes */
    const char *before;        /* what must be there now; NULL: nothing */
};
enum { EDITS_MAX = 2 };

/* Within a turn: from the running configuration to `new`, which is taken over at success.
 * Chains change first; when all did, the files are written; if anything fails all is put
 * back, and `new` stays the caller's. */
int change_to(struct configuration *new, const struct file_edit *, size_t edits, struct report *);

/* Writes, or removes, what `edits` say; takes the first back when the second fails. */
int edits_write(const struct file_edit *, size_t count, struct report *);

/* Opens in the background what could not be opened; `name` just came or changed. */
void reopen_soon(const char *name);
void reopen_stop(void);

/* The export's policy as text: the user's own, or made from what it runs with. */
int effective_text(const struct configuration *, const struct export_entry *, struct weir_text *);

/* `text` with VALUE as what KEY of GROUP says; where KEY is not there it is put behind the
 * value of BEHIND. */
int splice_key(const struct source *, const struct config_setting_t *group, const char *key,
               const char *literal, const char *behind, struct weir_text *);
/* `text` with ENTRY as a new last entry of LIST. */
void splice_entry(const struct source *, const struct config_setting_t *list, const char *entry,
                  struct weir_text *);
/* A value as libconfig reads it back. */
void print_literal(const struct weir_option *, const char *value, struct weir_text *);
void print_quoted(const char *, struct weir_text *);

#endif
