/* seal.h - are these bytes whole, and from somebody who has the key?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REPLICATION_SEAL_H
#define REPLICATION_SEAL_H

#include "frame.h"

/* The shared key in the file `path`: exactly its bytes, as a file that is longer is mostly a key
 * in another form, of which the first bytes say little.  "" gives NULL, for no key; free() it.
 * 0 or -errno, with a sentence that names the option. */
int seal_load_key(const char *path, struct frame_key **ret, struct weir_text *why);
/* CRC32C, as of iSCSI; `length` is small. */
uint32_t seal_crc(const void *data, size_t length);
/* HMAC-SHA256 of `head` and `body` behind one another.  0 or -ENOMEM. */
int seal_tag(const struct frame_key *, const void *head, size_t head_length, const void *body,
             size_t body_length, uint8_t out[FRAME_TAG]);
/* 0, -EKEYREJECTED, -ENOMEM.  Takes as long whichever byte is wrong. */
int seal_check(const struct frame_key *, const void *head, size_t head_length, const void *body,
               size_t body_length, const uint8_t tag[FRAME_TAG]);

#endif
