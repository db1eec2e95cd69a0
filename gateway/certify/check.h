/* check.h - which checks are there?  checks.c has the table of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CERTIFY_CHECK_H
#define CERTIFY_CHECK_H

#include "rig.h"

void check_load(struct kit *);
void check_data(struct kit *);
void check_threads(struct kit *);
void check_races(struct kit *);
void check_walk(struct kit *);
void check_misuse(struct kit *);
void check_order(struct kit *);
void check_flush(struct kit *);
void check_fua(struct kit *);
void check_crash(struct kit *);
void check_events(struct kit *);
void check_attach(struct kit *);
void check_drain(struct kit *);
void check_ranges(struct kit *);
void check_options(struct kit *);
void check_errors(struct kit *);
void check_slow(struct kit *);
void check_above(struct kit *);
void check_hold(struct kit *);
void check_leaks(struct kit *);
void check_overhead(struct kit *);

#endif
