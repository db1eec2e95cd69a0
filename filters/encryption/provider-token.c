/* provider-token.c - token:[ID]: which LUKS2 token of the header gives the passphrase?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A token says how a passphrase of its key slots is come by, and holds none.  What it says
 * comes with the disk, from whoever wrote that: it picks a key of our keyring by name, a server
 * that clevis asks, a plugin that the host has installed; nothing else. */
#include "instant.h"
#include "provider.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MAX = 32, SECOND = 1000000000 };

int token_parse(const char *word, int *token, char why[HEADER_WHY])
{
    size_t digits = strspn(word, "0123456789");

    *token = -1;
    if (!*word)
        return 0;
    if (!word[digits] && digits <= 2 && (*token = atoi(word)) < TOKENS_MAX)
        return 0;
    return key_refuse(why, EINVAL,
                      "\"%s\" is not the number of a LUKS2 token: expected 0 to %d, or nothing for "
                      "the first that gives a key",
                      word, TOKENS_MAX - 1);
}

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(object, name, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

/* ---- one ---------------------------------------------------------------------- */

static int open_keyring(int token, struct json_object *object, struct secret *key,
                        char why[HEADER_WHY])
{
    const char *description = text_of(object, "key_description");

    if (!*description)
        return key_refuse(why, EBADMSG,
                          "token %d of type luks2-keyring has no key_description: add it again "
                          "with cryptsetup token add",
                          token);
    return keyring_read("user", description, key, why);
}

/* -ENOENT without a sentence: it is of another type. */
static int open_one(const struct key_request *request, int token, const char *json,
                    const char *wanted, struct secret *key, char why[HEADER_WHY])
{
    struct json_object *object = json_tokener_parse(json);
    int r;

    if (!object || !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return key_refuse(why, EBADMSG, "token %d of the header is no JSON object", token);
    }
    const char *type = text_of(object, "type");
    if (wanted && strcmp(type, wanted))
        r = -ENOENT;
    else if (!strcmp(type, "luks2-keyring"))
        r = open_keyring(token, object, key, why);
    else if (!strcmp(type, "clevis"))
        r = clevis_open_token(request, token, object, key, why);
    else
        r = plugin_open_token(request, token, type, object, key, why);
    json_object_put(object);
    return r;
}

/* ---- all ---------------------------------------------------------------------- */

static int refuse_none(const char *type, int token, char why[HEADER_WHY])
{
    const char *how = type && !strcmp(type, "clevis")
                          ? "clevis luks bind makes one, on LUKS2"
                          : "systemd-cryptenroll, cryptsetup token add and others make one, on "
                            "LUKS2";

    if (token >= 0)
        return key_refuse(why, ENOENT, "the header of the disk has no token %d%s%s: %s", token,
                          type ? " of type " : "", type ? type : "", how);
    return key_refuse(why, ENOENT, "the header of the disk has no token%s%s: %s",
                      type ? " of type " : "", type ? type : "", how);
}

/* The first sentence stays, as the first token is what an administrator has in mind. */
static int open_each(const struct key_request *request, int first, int last, const char *type,
                     struct secret *key, char why[HEADER_WHY])
{
    struct key_request asked = *request;
    uint64_t began = now_ns();
    char other[HEADER_WHY];
    int kept = 0;

    for (int token = first; token <= last; token++) {
        char *json = NULL;
        char *sentence = kept ? other : why;
        if (header_token(request->header, token, &json))
            continue; /* numbers may be missing in between */
        uint64_t spent = now_ns() - began;
        asked.patience = spent < request->patience ? request->patience - spent : 0;
        *sentence = '\0';
        int r = open_one(&asked, token, json, type, key, sentence);
        free(json);
        if (!r)
            why[0] = '\0';
        if (!r)
            return 0;
        if (*sentence && !kept)
            kept = r;
    }
    return kept;
}

int token_open(const struct key_request *request, const char *type, struct secret *key,
               char why[HEADER_WHY])
{
    int token, r = token_parse(request->word, &token, why);

    if (r)
        return r;
    if (!request->header)
        return key_refuse(why, ENOENT,
                          "the disk has no LUKS header yet, so no token: format it with another "
                          "key, add the token, and then change the option");
    r = open_each(request, token < 0 ? 0 : token, token < 0 ? TOKENS_MAX - 1 : token, type, key,
                  why);
    if (r || key->data)
        return r;
    return refuse_none(type, token, why);
}

/* ---- the provider ------------------------------------------------------------- */

static int check(const char *word, char why[HEADER_WHY])
{
    int token;

    return token_parse(word, &token, why);
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    return token_open(request, NULL, key, why);
}

const struct key_provider provider_token = {
    .name = "token",
    .summary = "[ID]: a LUKS2 token of the header, as systemd-tpm2 or luks2-keyring.",
    .check = check,
    .get = get,
};
