/* step.h - what happens when a step of an order is left out?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * That nothing is lost relies on a few steps, and on their order.  Each has a name; a build for
 * tests/filter/replication can leave one out, and the crash test must notice. */
#ifndef REPLICATION_STEP_H
#define REPLICATION_STEP_H

#include <stdbool.h>

enum source_step {
    STEP_ALL,
    PART_WHILE_DIRTY,     /* stream.c: a frame is no state(k) while the target lacks anything */
    WAIT_FOR_COMPLETE,    /* ack.c: a sync write waits for a state(k), not for its frame alone */
    KEEP_UNTIL_DURABLE,   /* ack.c: a batch stays until the target has it for good */
    DIRTY_UNTIL_COMPLETE, /* ack.c: the map forgets only what is in a durable state(k) */
    DROPPED_IS_DIRTY,     /* stream.c: what is taken out of the ring unsent goes into the map: it is
                             unsure already, but a group that stops while a disk of it stays is
                             started again on the same open map */
    FAILED_IS_DIRTY,      /* request.c: so does what the store did not take */
    COPY_BEHIND_GATE,     /* copier.c: no write is under way where a copy is read */
    GENERATION_BEFORE_ACK,  /* keeper.c: a new generation is saved before the first write alone.  A
                               fork would be seen without it, too: what was written alone is unsure
                               in the map, durably, before it is written (UNSURE_IS_BEYOND).  What
                               shows it is that the generation that was acted in and told of is gone
                               after a crash */
    CEILING_BEFORE_USE,     /* member.c, keeper.c: LSNs are reserved before they are used */
    FENCE_IS_REMEMBERED,    /* keeper.c: a promoted target is remembered across a restart */
    RESEND_WHAT_IS_MISSING, /* handshake.c: what the target has not received goes again, in order */
    DISK_BEFORE_INTENT,     /* replication.c: an intent goes when this site's disk is durable */
    UNSURE_IS_BEYOND,       /* handshake.c: what may not be there counts as written here alone */
};

#ifdef SOURCE_LEAVES_OUT
bool source_does(enum source_step);
#else
#define source_does(step) ((void)(step), true)
#endif

#endif
