/* look.h - what does I/O control count of a disk, from inside?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A file of its own, because the core and the filter both have a struct datastore. */
#ifndef LOOK_H
#define LOOK_H

#include <stdbool.h>
#include <stddef.h>

/* `control`: the filter's self. */
struct look {
    size_t queued, running;                           /* requests of the disk … */
    size_t all_queued, all_running, in_flight, ready; /* … and of its datastore */
    size_t limited;                                   /* disks that wait for a limit */
    long outside, outside_known; /* load without the scheduler; what the scheduler knows */
    size_t went;                 /* units of the disk, by the scheduler */
    size_t measured;             /* requests that the window is learnt from */
};
void look(const void *control, struct look *ret);
/* What a request does that goes without the scheduler: load in flight, more or less. */
void look_add_outside(const void *control, long load);

#endif
