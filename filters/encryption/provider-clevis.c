/* provider-clevis.c - clevis:[ID]: how is a Clevis binding of the header opened?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * `clevis luks bind` leaves a token of type "clevis" whose "jwe" is the passphrase, encrypted to
 * what a Tang server, a TPM or some of several give back.  `clevis decrypt` does that, as
 * `clevis luks unlock` has it do.  (LUKS1 keeps bindings in luksmeta: not supported.) */
#include "provider.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLEVIS "/usr/bin/clevis"

/* A part is base64url without padding (RFC 7515). */
static const char *part_of(struct json_object *jwe, const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(jwe, name, &value))
        return "";
    if (!json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);
    return text[strspn(text, letters)] ? NULL : text;
}

/* From the flattened JSON to the compact form (RFC 7516, 7.1), which clevis reads. */
static char *compact(struct json_object *token)
{
    static const char *const names[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag" };
    const char *parts[5];
    struct json_object *jwe = NULL;
    char *text = NULL;

    if (!json_object_object_get_ex(token, "jwe", &jwe) ||
        !json_object_is_type(jwe, json_type_object))
        return NULL;
    for (size_t i = 0; i < 5; i++)
        if (!(parts[i] = part_of(jwe, names[i])))
            return NULL;
    if (!*parts[0] ||
        asprintf(&text, "%s.%s.%s.%s.%s", parts[0], parts[1], parts[2], parts[3], parts[4]) < 0)
        return NULL;
    return text;
}

int clevis_open_token(const struct key_request *request, int token, struct json_object *object,
                      struct secret *key, char why[HEADER_WHY])
{
    static char decrypt[] = "decrypt", clevis[] = CLEVIS; /* as execve(2) has it: not const */
    static char *const words[] = { clevis, decrypt, NULL };
    /* where the TPM is, and how a Tang server is reached */
    static const char *const pass[] = { "TPM2TOOLS_TCTI", "http_proxy", "https_proxy",
                                        "all_proxy",      "no_proxy",   NULL };
    char *input = compact(object);

    if (!input)
        return key_refuse(why, EBADMSG,
                          "token %d of type clevis holds no JWE: clevis luks regen or bind it "
                          "again",
                          token);
    struct command command = {
        .name = "clevis",
        .words = words,
        .input = input,
        .pass = pass,
        .export = request->export,
        .uuid = request->uuid,
        .patience = request->patience,
        .stop = request->stop,
    };
    int r = command_run(&command, key, why);
    free(input);
    return r;
}

/* ---- the provider ------------------------------------------------------------- */

static int check(const char *word, char why[HEADER_WHY])
{
    int token;

    return token_parse(word, &token, why);
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    return token_open(request, "clevis", key, why);
}

const struct key_provider provider_clevis = {
    .name = "clevis",
    .summary = "[ID]: a Clevis binding of the header: a Tang server, a TPM 2.0, or several.",
    .check = check,
    .get = get,
};
