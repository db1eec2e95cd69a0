/* units.h - how much is "20G", "5ms", "10k"?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Sizes and times are in options.h, where others find them. */
#ifndef WEIR_UNITS_H
#define WEIR_UNITS_H

#include "options.h"

/* Per second.  k, M, G, T are decimal; KiB, MiB, … binary; "max" is 0. */
int parse_rate(const char *text, uint64_t *per_second);
void print_rate(uint64_t per_second, struct weir_text *);

#endif
