/* group-private.h - what do the parts of group*.c know of each other?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_GROUP_PRIVATE_H
#define WEIR_VAULT_GROUP_PRIVATE_H

#include "group.h"
#include "step.h"

/* ---- group.c ---- */
void close_media(struct medium *medium, struct medium *heads, struct medium *scratch);
struct lineage lineage_at(const struct lineage *, uint64_t lsn);

/* ---- group-frames.c ---- */
/* No frames are taken until frames_open(): those that come wait, those that were coming are
 * received or not, and what was received in order was given to apply_frame().  -errno: the log
 * takes no more, or, for who demands that all is `applied`, what it has cannot be; it is open again
 * then, and `why` says it.  Without the turn. */
int frames_close(struct group *, bool applied, struct weir_text *why);
void frames_open(struct group *);

/* ---- group-demote.c ---- */
int group_nobody_served(const struct group *, struct weir_text *why); /* -EBUSY; with the lock */
int group_become_target(struct group *, struct weir_text *why);       /* with the turn */

/* ---- group-promote.c ---- */
/* Takes the turn.  A crash came into a promotion to an older point: the heads are neither. */
int promote_undo(struct group *, struct weir_text *why);
/* COMMAND_HANDOVER: at exactly its LSN. */
int promote_handover(struct group *, const struct command *, struct weir_text *why);

#endif
