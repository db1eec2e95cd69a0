/* step.h - what happens when a step of an order is left out?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a crash may leave of a vault relies on the order of a few steps.  Each has a name; a build
 * for tests/vault/test-crash.c can leave one out, and that test must notice. */
#ifndef WEIR_VAULT_STEP_H
#define WEIR_VAULT_STEP_H

#include <stdbool.h>

enum step {
    STEP_NONE,
    LOG_SYNC_NAME,  /* log-sync.c: a new segment's name is durable before a FUA over it is answered
                     */
    LOG_SYNC_DATA,  /* and its bytes */
    LOG_SYNC_FOUND, /* log-recover.c: what a killed process left is durable before it is believed */
    LOG_HAND_OVER,  /* log-sync.c: only what is durable goes to the heads */
    LOG_CUT,        /* log-segment.c: what lies behind the end is removed at recovery, … */
    LOG_CUT_SYNC,   /* … durably, before the end is told to anybody */
    APPLY_SET,      /* apply.c: nothing of a set before all of it is there */
    APPLY_HEADS,    /* heads are durable before the record says so */
    APPLY_NAMES,    /* disks.c: the names of new images, too */
    APPLY_RECORD,   /* the record says where the log begins before that is trimmed */
    PROMOTE_CUT,    /* group-promote.c: an incomplete set is dropped before the role changes */
    PROMOTE_SAVE,   /* the role and its generation are durable before a head is served */
    DEMOTE_NEEDS,   /* group-demote.c: what was written here is needed, durably, before the role
                       changes */
    COMMAND_SAVE,   /* group-command.c: the token is durable before the reply */
};

#ifdef VAULT_LEAVES_OUT
bool does(enum step);
#else
#define does(step) ((void)(step), true)
#endif

#endif
