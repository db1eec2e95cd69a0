/* keys.c - which provider does a word name?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "provider.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct key_provider *const key_providers[] = {
    &provider_file,   &provider_credential, &provider_keyring, &provider_exec,
    &provider_pkcs11, &provider_token,      &provider_clevis,  NULL,
};

enum { NAME_MAX_LENGTH = 16, WORD_MAX = 4096 };

int key_refuse(char why[HEADER_WHY], int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, HEADER_WHY, format, args);
    va_end(args);
    return -error;
}

/* ---- the nearest name --------------------------------------------------------- */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* How many letters must change, come or go: Levenshtein's distance. */
static size_t distance(const char *a, size_t length, const char *b)
{
    size_t row[NAME_MAX_LENGTH + 1], n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

static const struct key_provider *nearest(const char *name, size_t length)
{
    const struct key_provider *best = NULL;
    size_t least_far = 3;

    if (length > NAME_MAX_LENGTH)
        return NULL;
    for (const struct key_provider *const *p = key_providers; *p; p++) {
        size_t far = distance(name, length, (*p)->name);
        if (far < least_far) {
            least_far = far;
            best = *p;
        }
    }
    return best;
}

/* ---- the word ----------------------------------------------------------------- */

/* Somebody may have written a passphrase where its provider goes, so what is not nearly a
 * provider's name is not shown. */
static int refuse_name(const char *key, size_t length, char why[HEADER_WHY])
{
    const struct key_provider *near = nearest(key, length);
    char names[128] = "";
    size_t at = 0;

    for (const struct key_provider *const *p = key_providers; *p; p++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s:", at ? ", " : "", (*p)->name);
    if (near)
        return key_refuse(why, EINVAL,
                          "\"%.*s\" is not a provider of keys (did you mean \"%s:\"?): expected "
                          "one of %s",
                          (int)length, key, near->name, names);
    return key_refuse(why, EINVAL,
                      "the key does not begin with a provider of keys: expected one of %s and what "
                      "it asks for, as \"file:/etc/weir/vm1.key\"; never the key itself",
                      names);
}

static int find(const char *key, const struct key_provider **ret, const char **word,
                char why[HEADER_WHY])
{
    size_t length = strcspn(key, ":");

    why[0] = '\0';
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return key_refuse(why, EINVAL,
                              "the key has a control character at byte %zu: expected a provider "
                              "and what it asks for, on one line",
                              (size_t)(c - key));
    if (strlen(key) > WORD_MAX)
        return key_refuse(why, EINVAL, "the key is longer than %d bytes", WORD_MAX);
    for (const struct key_provider *const *p = key_providers; key[length] && *p; p++)
        if (strlen((*p)->name) == length && !memcmp((*p)->name, key, length)) {
            *ret = *p;
            *word = key + length + 1;
            return 0;
        }
    return refuse_name(key, length, why);
}

int keys_check(const char *key, char why[HEADER_WHY])
{
    const struct key_provider *provider = NULL;
    const char *word = NULL;
    int r = find(key, &provider, &word, why);

    return r ? r : provider->check(word, why);
}

int keys_get(const char *key, const struct key_request *request, struct secret *ret,
             char why[HEADER_WHY])
{
    const struct key_provider *provider = NULL;
    struct key_request asked = *request;
    int r = find(key, &provider, &asked.word, why);

    *ret = (struct secret){ 0 };
    if (!r)
        r = provider->check(asked.word, why);
    return r ? r : provider->get(&asked, ret, why);
}

bool keys_may_come(int error)
{
    return error && error != -EINVAL && error != -EKEYREJECTED && error != -ECANCELED;
}
