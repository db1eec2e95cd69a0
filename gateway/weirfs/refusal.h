/* refusal.h - why was a change not made, and was that the last word?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRFS_REFUSAL_H
#define WEIRFS_REFUSAL_H

#include "../scope.h"

#include <stdbool.h>

struct refusal {
    char *sentence; /* NULL: none was given */
    unsigned line;  /* of the mistake in the text; 0: not known */
    size_t end;     /* in that line, where the offending word ends */
    bool at_end;    /* more text could still make it right */
};

static inline void refusal_finish(struct refusal *why)
{
    free(why->sentence);
    *why = (struct refusal){ 0 };
}

#define cleanup_refusal __attribute__((cleanup(refusal_finish)))

#endif
