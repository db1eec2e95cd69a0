/* key.h - what do the commands about keys share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_KEY_H
#define WEIR_WEIRCTL_KEY_H

#include "filtered.h"

/* Those that filters/encryption/keys.h describes. */
#define KEY_PROVIDERS "file", "credential", "keyring", "exec", "pkcs11", "token", "clevis"

/* The export that the command names first. */
enum exit_code key_open(const struct invocation *, struct filtered *);
/* Does it name a provider of keys?  What does not is never repeated. */
enum exit_code judge_key(const struct invocation *, const char *key);

#endif
