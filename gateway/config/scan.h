/* scan.h - which words, numbers and marks is a configuration text made of?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_SCAN_H
#define WEIR_CONFIG_SCAN_H

#include "report.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_BOOL,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_MARK,  /* one of = : , ; ( ) [ ] { } */
    TOKEN_WRONG, /* reported already */
};

struct token {
    enum token_kind kind;
    struct place at;
    size_t start, end;
    char mark;               /* of a TOKEN_MARK */
    bool wraps, is_bare_int; /* of a TOKEN_NUMBER */
};

struct scan {
    const char *file, *text;
    size_t size, here;
    struct place at;
    struct report *report;
    struct token token; /* the present one */
    size_t last_end;    /* of the one before it */
};

/* False, and reported, when the text has bytes that no configuration has. */
bool scan_begin(struct scan *, const char *file, const char *text, size_t size, unsigned first_line,
                struct report *);
void scan_next(struct scan *);
/* The present token as the user wrote it, cut to a length that a sentence bears. */
const char *scan_word(const struct scan *, char buffer[64]);

#endif
