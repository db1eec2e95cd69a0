/* emulate.h - how does any store become a device of known speed?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_EMULATE_H
#define WEIR_EMULATE_H

#include "datastore.h"

/* The device, which all disks of a datastore share. */
struct emulation;
/* What `keys` say; *ret is NULL where they say that nothing is emulated. */
int emulation_create(const struct datastore_keys *, uint64_t seed, struct emulation **ret);
void emulation_destroy(struct emulation *); /* NULL is fine */

/* Puts the device in front of an open store, which it takes over at success: *type and
 * *self become those of the slow one.  `device` must outlive it. */
int emulate_store(struct emulation *device, const struct store_type **type, void **self);

enum { SERVICE_BYTES = 32 << 10 }; /* what one service reads or writes */
/* How many services a request takes; 0: it costs nothing. */
uint64_t emulate_services(const struct weir_request *);

#endif
