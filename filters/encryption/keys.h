/* keys.h - who gives us the passphrase of a disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A word before a colon names the provider, the rest is its business:
 *   file:PATH              the bytes of a file, all of them; not readable by group or others
 *   credential:NAME        systemd's $CREDENTIALS_DIRECTORY/NAME
 *   keyring:[TYPE:]DESC    a key of the kernel's keyrings, "user" if no type is said
 *   exec:COMMAND           what a command writes; the hook for a KMS (KMIP, Vault, …)
 *   pkcs11:…               an RFC 7512 URI: a secret that a token unwraps or holds
 *   token:[ID]             LUKS2 tokens of the header, by libcryptsetup's plugins
 *   clevis:[ID]            a Clevis binding in the header (Tang, TPM 2.0)
 * Secrets are never in the word, so that the word may be shown.  No provider logs, prints or passes
 * a secret as an argument or in the environment. */
#ifndef ENCRYPTION_KEYS_H
#define ENCRYPTION_KEYS_H

#include "header.h"

struct key_request {
    const char *export;          /* name, for those that look it up by it */
    const char *word;            /* what follows the colon */
    const char *uuid;            /* of the header; "" before there is one */
    const struct header *header; /* NULL before there is one */
    uint64_t patience;           /* ns: a command or a token that takes longer has failed */
    const int *stop;             /* a command is ended when this can be read; or NULL */
};

struct key_provider {
    const char *name, *summary;
    /* Is the word well formed?  Nothing is opened.  0 or -EINVAL with a sentence. */
    int (*check)(const char *word, char why[HEADER_WHY]);
    /* 0; -ENOENT: it is not there (yet); -EACCES, -ETIMEDOUT, …; -EKEYREJECTED: somebody may count
     * wrong answers, so it is not to be asked again by itself; each with a sentence that names
     * what was asked and the remedy.  May block for `patience`; pkcs11 and token for as long
     * as a module or plugin does, which runs in this process. */
    int (*get)(const struct key_request *, struct secret *key, char why[HEADER_WHY]);
};

extern const struct key_provider *const key_providers[]; /* ends with NULL */

/* By "provider:word".  The same errors; -EINVAL also for an unknown provider, with the nearest. */
int keys_check(const char *key, char why[HEADER_WHY]);
int keys_get(const char *key, const struct key_request *, struct secret *, char why[HEADER_WHY]);
/* After such an error: may the same question get another answer later? */
bool keys_may_come(int error);

#endif
