/* access.h - may this client open this export?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ACCESS_H
#define WEIR_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct peer {
    bool tls;
    int64_t uid, gid;   /* -1: not known, as over TCP */
    const char *tls_dn; /* NULL: no certificate, or an nbdkit that cannot tell */
};

/* `rules` are an export's `allow`, each "uid:N|NAME", "gid:N|NAME", "tls" or "tls-dn:DN",
 * and end with NULL.  One that fits is enough; NULL lets everybody in. */
bool access_allowed(char *const *rules, const struct peer *);
/* Is there a rule that begins so?  What no rule asks for need not be found out. */
bool access_asks(char *const *rules, const char *prefix);

#endif
