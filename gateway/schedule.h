/* schedule.h - when is a device of N servers done with each request that reaches it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests are taken first come, first served, by the server that is free first.  Pure
 * arithmetic on times that the caller gives: it never waits and reads no clock.  Each start
 * follows from the end before it, not from when somebody noticed that end, so a device that
 * always has work serves servers / service_time requests a second, exactly. */
#ifndef WEIR_SCHEDULE_H
#define WEIR_SCHEDULE_H

#include "datastore.h"

struct schedule;

/* `seed`: of what SERVICE_EXPONENTIAL draws. */
int schedule_create(size_t servers, uint64_t service_time, enum distribution, uint64_t seed,
                    struct schedule **ret);
void schedule_destroy(struct schedule *); /* NULL is fine */

/* When `services` services, one after the other by one server, are done that arrive `now`
 * (ns, of any clock; never less than in the call before). */
uint64_t schedule_take(struct schedule *, uint64_t now, uint64_t services);

#endif
