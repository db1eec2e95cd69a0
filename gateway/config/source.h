/* source.h - what does one configuration file say, and where?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source is a file's bytes, parsed; it never changes, and whoever read something
 * from it may keep it by a reference. */
#ifndef WEIR_CONFIG_SOURCE_H
#define WEIR_CONFIG_SOURCE_H

#include "outline.h"

#include <libconfig.h>

enum source_kind {
    SOURCE_MAIN,
    SOURCE_EXPORTS,
    SOURCE_POLICY,
    SOURCE_OVERRIDE, /* of an export: overrides.d/NAME.conf */
    SOURCE_DATASTORE /* of a datastore: overrides.d/datastores/NAME.conf */
};

struct source {
    enum source_kind kind;
    char *name; /* as the user knows it: for messages */
    char *path; /* where it is, whatever the working folder; "" for the built-in text */
    char *stem; /* the file's name without folder and ".conf" */
    char *text; /* NUL-terminated, no NUL inside; without our own first line, if any */
    size_t size;
    unsigned first_line; /* of the text in its file */
    struct config_t tree;
    struct outline outline;
    _Atomic unsigned references;
};

/* What a file that weir keeps begins with; it is not a part of the text.  NULL: nothing. */
const char *source_header(enum source_kind);
size_t source_header_length(enum source_kind, const char *text); /* 0: it does not begin so */

/* Parses a copy of `text`.  0, or the report says what is wrong. */
int source_parse(enum source_kind, const char *name, const char *path, const char *text,
                 size_t size, struct source **ret, struct report *);
/* Reads the file and parses it. */
int source_load(enum source_kind, const char *name, const char *path, struct source **ret,
                struct report *);
struct source *source_ref(struct source *);
void source_unref(struct source *); /* NULL is fine */

const struct config_setting_t *source_root(const struct source *);
/* NULL for the file as a whole (the root). */
const struct spot *spot_of(const struct config_setting_t *);

/* A mistake at a setting's name, or at its value, which is quoted as the word. */
void report_name(struct report *, const struct source *, const struct config_setting_t *,
                 const char *format, ...) WEIR_PRINTF(4, 5);
void report_value(struct report *, const struct source *, const struct config_setting_t *,
                  const char *format, ...) WEIR_PRINTF(4, 5);

/* The whole of a file, at most `limit` bytes: -EFBIG beyond.  NUL-terminated. */
int load_text(const char *path, size_t limit, char **text, size_t *size);

#endif
