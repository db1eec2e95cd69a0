/* filters.h - which filters could a gateway load, and what do they declare?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_FILTERS_H
#define WEIR_WEIRCTL_FILTERS_H

#include "../loader.h"
#include "gateways.h"

/* Sets the loader's path from --filters, WEIR_FILTERS or where weir was installed. */
enum exit_code filters_begin(const struct invocation *);
/* Loads NAME or says why not.  The process ends soon: nobody puts it back. */
enum exit_code filters_load(const struct invocation *, const char *name, struct library **ret);

/* The same of the filter in FILE.so, wherever it is. */
enum exit_code filters_load_file(const struct invocation *, const char *file, struct library **ret);

/* installer.c: by whom is the filter NAME, whose file is `path`, as its package says?  "" where
 * nobody says; nothing is judged. */
struct origin {
    char *vendor, *signer;
};
void origin_of(const char *name, const char *path, struct origin *ret);
void origin_finish(struct origin *);

/* describe.c: the tables of a filter as text, as POD, as a document. */
void describe_text(const struct library *, FILE *);
void describe_pod(const struct library *, FILE *);
struct json_object *describe_document(const struct library *);

#endif
