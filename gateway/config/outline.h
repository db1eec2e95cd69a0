/* outline.h - where does each setting of a configuration text stand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * libconfig 1.5 knows a setting's line only, drops the digits of a number that it has
 * wrapped, follows nesting as deep as it goes, and answers "syntax error".  The outline
 * reads the same grammar before it, keeps places and byte ranges, and says what is
 * wrong in words.  The values themselves are libconfig's business. */
#ifndef WEIR_CONFIG_OUTLINE_H
#define WEIR_CONFIG_OUTLINE_H

#include "report.h"

enum {
    NESTING_MAX = 12, /* groups, lists and arrays inside each other; ours need four */
    GROUP_MAX = 256,  /* settings of one group: libconfig looks them up one by one */
    SETTINGS_MAX = 1 << 17,
    TEXT_MAX = 2 << 20, /* bytes of one file */
};

/* One setting or list entry, in the order in which they begin. */
struct spot {
    struct place at; /* of its name; of the value of a list entry */
    struct place value;
    size_t start, value_start, end; /* byte range, `end` just behind the value */
    bool wraps;                     /* a number that libconfig makes another one of */
    bool is_bare_int;               /* an integer without the L */
};

struct outline {
    struct spot *spots;
    size_t count, capacity;
};

/* 0, or the report says what is wrong.  Lines count from `first_line`. */
int outline_read(const char *file, const char *text, size_t size, unsigned first_line,
                 struct outline *, struct report *);
void outline_finish(struct outline *);

#endif
