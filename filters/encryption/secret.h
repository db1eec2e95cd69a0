/* secret.h - where do keys lie, so that no swap, no core dump and no later allocation shows them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One region of the process, mlock()ed, MADV_DONTDUMP, between two pages that nobody may
 * touch.  What is given back is wiped.  OpenSSL's cipher contexts, which hold expanded keys,
 * lie there, too: secret_init() gives libcrypto an allocator that serves a thread from the
 * region while it is between secret_begin() and secret_end(), and from malloc() else. */
#ifndef ENCRYPTION_SECRET_H
#define ENCRYPTION_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once per process, before libcrypto has allocated anything; more calls do nothing.  0, or
 * -errno with a sentence: without it keys would be where dumps show them, so no disk is
 * unlocked then. */
int secret_init(char *why, size_t size);

/* True once per process, with a sentence to report: some of the region could not be locked. */
bool secret_warning(char *why, size_t size);

/* Zeroed; NULL: the region is full (`secret_room()` says how much is left). */
void *secret_alloc(size_t size);
void secret_free(void *); /* wipes; NULL is fine */
bool secret_holds(const void *);
size_t secret_room(void);
void secret_wipe(void *, size_t); /* that no compiler leaves out */

/* What this thread has libcrypto allocate in between lies in the region.  No nesting. */
void secret_begin(void);
void secret_end(void);

/* A key or passphrase of `size` bytes in the region. */
struct secret {
    uint8_t *data;
    size_t size;
};
int secret_copy(struct secret *, const void *data, size_t size); /* 0 or -ENOMEM */
void secret_clear(struct secret *);

#endif
