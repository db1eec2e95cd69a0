/* give-back.h - how does a primary give its disks back to the source that it replaced?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_GIVE_BACK_H
#define WEIR_VAULT_GIVE_BACK_H

#include "group-private.h"

/* With the turn. */
int give_back_fetch(struct group *, const struct command *, struct weir_text *why);
int give_back_return(struct group *, const struct command *, struct weir_text *why);

/* What the last FETCH found, of a primary; false: this is none.  Takes the lock. */
bool given_bitmap(struct group *, unsigned disk, void *bitmap, size_t length, uint64_t from);
void given_forget(struct given *);

/* While the source fetches: nobody serves the disks here, nor will; waits until it has all, for a
 * minute.  -EAGAIN: it has not, and all is as before. */
int group_leave(struct group *, struct weir_text *answer, struct weir_text *why);

#endif
