/* header-rekey.h - what does a LUKS2 header say while its disk goes over to another volume key?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENCRYPTION_HEADER_REKEY_H
#define ENCRYPTION_HEADER_REKEY_H

#include "header.h"

enum {
    REKEY_ID = 16,
    REKEY_BLOCK = 4096,
    REKEY_JOURNAL = 18 * REKEY_BLOCK, /* bytes: of the progress, rekey.h */
};

struct header_rekey {
    uint8_t id[REKEY_ID]; /* of this rekey alone: no progress of another is taken for its */
    int token, old_slot, new_slot; /* one passphrase opens both slots */
    uint64_t journal;              /* bytes: where the progress lies on the medium */
    bool done;                     /* the new key is the disk's; wiping may be unfinished */
};

/* The rekey that the header tells of.  0, or -ENODATA: none. */
int header_rekey_look(const struct header *, struct header_rekey *);

/* Can there be one, on a medium that wants blocks of `block` bytes?  Fills id and journal. */
int header_rekey_plan(const struct header *, uint32_t block, struct header_rekey *,
                      char why[HEADER_WHY]);
/* `volume` in a new slot for `key`, which opens `old_slot`, too.  The progress is durable before.
 */
int header_rekey_begin(struct header *, const struct secret *key, int old_slot,
                       const struct header_format *pbkdf, struct header_rekey *,
                       const struct secret *volume, char why[HEADER_WHY]);
/* The new volume key.  0; -EACCES: `key` opens only the old one; or -errno. */
int header_rekey_unlock(struct header *, const struct header_rekey *, const struct secret *key,
                        struct secret *volume, char why[HEADER_WHY]);
/* `volume` is the key of the disk from now on; the other slots are gone and wiped. */
int header_rekey_end(struct header *, const struct header_rekey *, const struct secret *volume,
                     char why[HEADER_WHY]);
/* Wipes what an end that was cut short has left; nothing to do is fine. */
int header_rekey_clean(struct header *, char why[HEADER_WHY]);

#endif
