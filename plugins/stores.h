/* stores.h - which stores are there?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STORES_H
#define WEIR_STORES_H

#include "store.h"

extern const struct store_type store_file, store_memory, store_nbd, store_vault;
/* No datastore can name it: for dynamic_changes(). */
extern const struct store_type store_changes;

/* Fills in the name; of one that is too long the end becomes a number that stands for it.
 * 0 or -ENOMEM. */
int store_identify(struct weir_identity *, const char *format, ...) WEIR_PRINTF(2, 3);

#endif
