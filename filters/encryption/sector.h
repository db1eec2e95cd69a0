/* sector.h - how do the bytes of a sector become cipher text, and back?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What dm-crypt calls aes-xts-plain64: AES-XTS (IEEE Std 1619) with the little-endian number
 * of the sector as tweak.  Numbers count units of 512 bytes from the beginning of the
 * payload, whatever the sector size is; one tweak serves a whole sector.  A cipher is used
 * by any number of threads at once: each takes one of its contexts, made when it is
 * missing, so that no lock is held while data is worked on. */
#ifndef ENCRYPTION_SECTOR_H
#define ENCRYPTION_SECTOR_H

#include "secret.h"

struct sector_cipher;

/* `name` and `mode` are LUKS's words: "aes", and "xts-plain64" or "xts-plain" (whose numbers have
 * 32 bits and begin again after 2 TiB); `sector` is 512, 1024, 2048 or 4096.  0; -ENOTSUP: another
 * one; -EINVAL: the key has equal halves; -ENOMEM; -EIO: OpenSSL refuses the key; each with a
 * sentence.  The key is copied into the region. */
int sector_cipher_create(const char *name, const char *mode, const struct secret *key,
                         uint32_t sector, struct sector_cipher **, char *why, size_t size);
void sector_cipher_destroy(struct sector_cipher *); /* NULL is fine; nobody uses it any more */

/* `offset` and `length` are multiples of the sector size, bytes of the payload; `from` and `to`
 * are the same or do not overlap.  0 or -errno (EIO, ENOMEM, EINVAL): then `to` is zero. */
int sector_encrypt(struct sector_cipher *, void *to, const void *from, uint64_t length,
                   uint64_t offset);
int sector_decrypt(struct sector_cipher *, void *to, const void *from, uint64_t length,
                   uint64_t offset);

#endif
