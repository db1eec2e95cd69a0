/* stores.h - which stores are there, and what do they share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STORES_H
#define WEIR_STORES_H

#include "request.h"
#include "store.h"

extern const struct store_type store_file, store_memory, store_nbd;

/* What serve() returns for an errno of either sign: one of the seven that NBD carries. */
static inline int store_error(int error)
{
    return -nbd_errno(error);
}

#endif
