/* fold.h - what do the parts that move the horizon know of each other?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_FOLD_H
#define WEIR_VAULT_FOLD_H

#include "group.h"

/* fold-target.c: how far is to be folded now, by age and by size?  0: not at all.  `now` is this
 * host's time in ns. */
uint64_t fold_target(struct group *, uint64_t now);
/* The last segment's start up to `position` at which there is a state, and its LSN; 0: none behind
 * the horizon. */
uint64_t fold_state_before(struct group *, uint64_t position, uint64_t *lsn);

#endif
