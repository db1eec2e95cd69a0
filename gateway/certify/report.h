/* report.h - in which words is told what was found?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CERTIFY_REPORT_H
#define CERTIFY_REPORT_H

#include "kit.h"

#include "options.h"

struct result {
    const struct check *check;
    struct outcome *outcome; /* NULL: it was not asked for */
};

struct report {
    const struct kit *kit;
    const struct result *results;
    size_t count;
    char *digest; /* SHA-256 of the file */
    char host[512];
};

const char *verdict_word(int verdict);
unsigned report_count(const struct report *, enum verdict);
void report_line(const struct outcome *, const struct check *, struct weir_text *);
void report_head(const struct report *, struct weir_text *);
void report_foot(const struct report *, struct weir_text *);
char *report_json(const struct report *); /* the caller frees; NULL: no memory */
char *report_html(const struct report *);

#endif
