/* access.c - may this client open this export?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/* A number, or what `look_up` makes of a name; -1 when it is neither. */
static int64_t number_of(const char *word, int64_t (*look_up)(const char *name))
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(word, &end, 10);
    if (*word >= '0' && *word <= '9' && !*end && !errno && n < UINT32_MAX)
        return (int64_t)n;
    return look_up(word);
}

static int64_t uid_of(const char *name)
{
    struct passwd entry, *found = NULL;
    char space[4096];

    getpwnam_r(name, &entry, space, sizeof space, &found);
    return found ? (int64_t)found->pw_uid : -1;
}

static int64_t gid_of(const char *name)
{
    struct group entry, *found = NULL;
    char space[16384];

    getgrnam_r(name, &entry, space, sizeof space, &found);
    return found ? (int64_t)found->gr_gid : -1;
}

static const char *after(const char *rule, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(rule, prefix, length) == 0 ? rule + length : NULL;
}

static bool fits(const char *rule, const struct peer *p)
{
    const char *word;

    if (strcmp(rule, "tls") == 0)
        return p->tls;
    if ((word = after(rule, "uid:")))
        return p->uid >= 0 && number_of(word, uid_of) == p->uid;
    if ((word = after(rule, "gid:")))
        return p->gid >= 0 && number_of(word, gid_of) == p->gid;
    if ((word = after(rule, "tls-dn:")))
        return p->tls && p->tls_dn && strcmp(word, p->tls_dn) == 0;
    return false; /* configuration refuses such a rule; one that slips through lets nobody in */
}

bool access_allowed(char *const *rules, const struct peer *p)
{
    if (!rules)
        return true;
    for (; *rules; rules++)
        if (fits(*rules, p))
            return true;
    return false;
}

bool access_asks(char *const *rules, const char *prefix)
{
    for (; rules && *rules; rules++)
        if (after(*rules, prefix))
            return true;
    return false;
}
