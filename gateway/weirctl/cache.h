/* cache.h - what do the commands about caches share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_CACHE_H
#define WEIR_WEIRCTL_CACHE_H

#include "filtered.h"

/* The export that the command names first. */
enum exit_code cache_open(const struct invocation *, struct filtered *);
/* A statistic that is a number; nothing is said.  0, or -errno as filtered_statistic() has it. */
int cache_figure(const struct invocation *, const struct filtered *, const char *name,
                 uint64_t *ret);

#endif
