/* store-vault.h - what do the parts of the vault store know of each other?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STORE_VAULT_H
#define WEIR_STORE_VAULT_H

#include "store.h"
#include "vault/image.h"
#include "vault/vault.h"

struct vault_store {
    enum image_kind kind;
    bool writable;
    unsigned disk;
    struct group *group;
    struct head *head; /* IMAGE_HEAD */
    struct view *view; /* IMAGE_VIEW */
    uint64_t opened;   /* … when, in ns since 1970 */
    char name[192];    /* of the image */
};

extern const struct weir_stat vault_stats[];
extern const struct weir_verb vault_verbs[];

#endif
