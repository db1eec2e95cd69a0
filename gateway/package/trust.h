/* trust.h - which filters may be loaded?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_PACKAGE_TRUST_H
#define WEIR_PACKAGE_TRUST_H

#include "package.h"

struct trust {
    bool required; /* nothing is loaded without a signature … */
    char *keys;    /* … by one of the keys in this folder */
};

/* From now on the loader admits what this says; copies it.  0 or -ENOMEM. */
int trust_set(const struct trust *);
/* On this thread, until NULL is said, this counts instead: a configuration is judged by what it
 * says itself. */
void trust_try(const struct trust *);

/* What lies beside `path`, and whether it vouches for these bytes of it as filter NAME.  *signer:
 * who signed it, NULL nobody; the caller frees; may be NULL.  Without `trust->required` a file of
 * no package is fine. */
int trust_judge(const struct trust *, const char *name, const char *path, const void *bytes,
                size_t size, char **signer, struct weir_text *why);

#endif
