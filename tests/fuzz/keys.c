/* keys.c - can what somebody writes as the key of a disk break a gateway, or be shown?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is the word of an option.  It is judged, never followed: no command runs and no file
 * is opened.  A refusal has a sentence of one line; one of a URI does not show a PIN that is
 * in it; and one of what names no provider shows none of its end, which may be a passphrase. */
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int header_token(const struct header *header, int token, char **json)
{
    (void)header, (void)token, (void)json;
    return -ENOENT;
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static int judge(const char *word, char why[HEADER_WHY])
{
    memset(why, '#', HEADER_WHY);
    int r = keys_check(word, why);
    must(!r || r == -EINVAL || r == -ENOMEM, "refused otherwise than with EINVAL");
    must(memchr(why, '\0', HEADER_WHY), "a sentence without an end");
    must(!r == !why[0], "refused without a sentence, or accepted with one");
    for (const char *c = why; *c; c++)
        must((unsigned char)*c >= ' ' && *c != 0x7f, "a sentence with a control character");
    return r;
}

static bool known(const char *word)
{
    for (const struct key_provider *const *p = key_providers; *p; p++)
        if (!strncmp(word, (*p)->name, strlen((*p)->name)) && word[strlen((*p)->name)] == ':')
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char passphrase[] = "correcthorse";
    char why[HEADER_WHY];
    char *word = strndup((const char *)data, size), *longer = NULL;

    if (!word) /* as gcc's sanitizers want to see it */
        abort();
    judge(word, why);
    must(asprintf(&longer, "%s%s", word, passphrase) >= 0, "no memory");
    if (!known(longer)) {
        must(judge(longer, why), "accepted without a provider");
        must(!strstr(why, passphrase), "a passphrase is shown");
    }
    free(longer);
    must(asprintf(&longer, "%s%cpin-value=%s", word, strchr(word, '?') ? '&' : '?', passphrase) >=
             0,
         "no memory");
    if (!strncmp(word, "pkcs11:", 7)) {
        must(judge(longer, why), "a PIN is accepted");
        must(!strstr(why, passphrase), "a PIN is shown");
    }
    free(longer);
    free(word);
    return 0;
}
