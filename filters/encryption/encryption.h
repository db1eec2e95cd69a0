/* encryption.h - what does the encryption of one disk know?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENCRYPTION_H
#define ENCRYPTION_H

#include "header.h"
#include "keys.h"
#include "sector.h"
#include "weir-filter.h"

#include <pthread.h>

enum discard { DISCARD_IGNORE, DISCARD_PASS };

struct encryption_config {
    const char *key; /* keys.h */
    bool format;
    int discard;
    int64_t key_bits;     /* of a disk that is formatted: 128 or 256 */
    uint64_t sector_size; /* the same: 512 or 4096 */
    const char *pbkdf;    /* the same, and of new key slots */
    uint64_t key_timeout; /* ns */
};

struct encryption_stats {
    weir_counter bytes_encrypted, bytes_decrypted, partial_sector_writes;
    struct weir_histogram encrypt_time, decrypt_time; /* ns */
};

/* One disk: self. */
struct encryption {
    struct weir_below *below;
    struct header_medium medium; /* the disk below */
    uint64_t payload;            /* bytes: where it begins */
    uint64_t size;               /* bytes: how long it is */
    uint32_t sector;             /* bytes */

    /* Data path: read with acquire; NULL while the disk is locked, when no request gets here. */
    _Atomic(struct sector_cipher *) cipher;

    /* Guards what follows: the control path alone; held while a key is asked for, as one
     * thing at a time is done with a header.  Never taken on the data path. */
    pthread_mutex_t lock;
    struct header *header; /* NULL: none could be read */
    struct header_about about;
    char why[HEADER_WHY]; /* why it is locked; "" while it is not */
};

/* request.c */
enum weir_verdict encryption_down(void *self, struct weir_request *);
enum weir_verdict encryption_up(void *self, struct weir_request *);

/* tables.c */
extern const struct weir_option encryption_options[];
extern const struct weir_stat encryption_stats[];
extern const struct weir_verb encryption_verbs[];

#endif
