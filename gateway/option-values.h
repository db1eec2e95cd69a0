/* option-values.h - what value does a word have for an option, and how is it written?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_OPTION_VALUES_H
#define WEIR_OPTION_VALUES_H

#include "options.h"

struct option_value { /* the member that the option's type names */
    int64_t i;        /* WEIR_INT, WEIR_BOOL, WEIR_CHOICE (the index) */
    uint64_t u;       /* WEIR_SIZE, WEIR_TIME, WEIR_RATE */
    double d;         /* WEIR_RATIO */
    const char *s;    /* WEIR_STRING: the text that was parsed */
};

/* 0, -EINVAL or -ERANGE with the sentence. */
int value_parse(const struct weir_option *, const char *text, struct option_value *,
                struct weir_text *why);
void value_print(const struct weir_option *, const struct option_value *, struct weir_text *);
/* "512 to 64K", "at least 1ms"; nothing, and false, where any value will do. */
bool range_print(const struct weir_option *, struct weir_text *);

#endif
