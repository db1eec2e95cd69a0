/* metrics.h - how do the metrics of several gateways become one text?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Prometheus wants HELP and TYPE of a family once and its samples together, and no two
 * samples of the same labels: each gets gateway="NAME" where it has no such label. */
#ifndef WEIRFS_METRICS_H
#define WEIRFS_METRICS_H

#include "../text.h"

struct metrics;

struct metrics *metrics_create(void); /* NULL: no memory */
void metrics_destroy(struct metrics *);
/* Adds what one gateway says; 0 or -ENOMEM. */
int metrics_add(struct metrics *, const char *gateway, const char *text);
void metrics_print(const struct metrics *, struct weir_text *);

#endif
