/* two-sites-walk.h - which histories of two sites are there, up to a length?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Breadth first, each state once: so the first history that breaks a rule is a shortest one. */
#ifndef TEST_REPLICATION_TWO_SITES_WALK_H
#define TEST_REPLICATION_TWO_SITES_WALK_H

#include "two-sites.h"

#include <stddef.h>

enum { HISTORY_MAX = 32 };

struct history {
    const char *broken; /* NULL: nothing is */
    struct action action[HISTORY_MAX];
    unsigned count;
    size_t states;  /* that were seen */
    unsigned depth; /* all histories up to this length were walked */
};
/* `reached`, if not NULL, is called with each state; true stops there, as `broken` does. */
void history_walk(const struct world *start, const struct rules *, unsigned depth,
                  bool (*reached)(const struct world *), struct history *);
/* Step by step, with the state after each. */
void history_print(const struct world *start, const struct rules *, const struct history *);

#endif
