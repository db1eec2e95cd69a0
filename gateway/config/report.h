/* report.h - how does reading a configuration collect mistakes, as many as it can in one pass?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_REPORT_H
#define WEIR_CONFIG_REPORT_H

#include "config.h"

/* Where something stands in a source text; lines and columns (in characters) from 1. */
struct place {
    unsigned line, column;
};

/* Goes through a reading; `err` is what the reading returns in the end. */
struct report {
    struct mistakes *mistakes; /* NULL: nobody wants the sentences */
    int err;                   /* 0, -EINVAL once there is a mistake, or -ENOMEM and others */
};

/* Beyond this many, the rest is counted but not kept: who has a hundred has one. */
enum { MISTAKES_MAX = 100 };

void report_mistake(struct report *, const char *file, struct place, const char *word,
                    const char *format, ...) WEIR_PRINTF(5, 6);
/* The same where the text just stops. */
void report_end(struct report *, const char *file, struct place, const char *word,
                const char *format, ...) WEIR_PRINTF(5, 6);
void report_file(struct report *, int err, const char *file, const char *format, ...)
    WEIR_PRINTF(4, 5);
void report_memory(struct report *);

#endif
