/* stores.h - which stores are there?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STORES_H
#define WEIR_STORES_H

#include "request.h" /* nbd_errno() */
#include "store.h"

extern const struct store_type store_file, store_memory, store_nbd;

#endif
