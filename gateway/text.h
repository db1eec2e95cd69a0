/* text.h - where do sentences for people and answers for programs grow?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TEXT_H
#define WEIR_TEXT_H

#include "weir-filter.h"

/* A string that grows; everywhere a NULL struct weir_text swallows what is printed.  All zero is an
 * empty one.  Running out of memory drops what did not fit and sets `cut`: a message may be short,
 * never wrong. */
struct weir_text {
    char *text; /* NUL-terminated, or NULL while nothing was printed: see text_string() */
    size_t length, capacity;
    bool cut;
};

void text_finish(struct weir_text *); /* frees; the object is empty again */
void text_clear(struct weir_text *);  /* empty, memory kept */
void text_append(struct weir_text *, const void *bytes, size_t size);
/* One line of it, whatever it holds: what a terminal or a reader of lines would obey is written as
 * \xNN.  text_quote() puts it in quotes that it cannot leave. */
void text_line(struct weir_text *, const char *);
void text_quote(struct weir_text *, const char *);
const char *text_string(const struct weir_text *); /* never NULL */
char *text_take(struct weir_text *);               /* the caller frees; NULL: no memory */

/* The same in every run and on every host (FNV-1a). */
uint64_t text_hash(const char *);

#define cleanup_text __attribute__((cleanup(text_finish)))

#endif
