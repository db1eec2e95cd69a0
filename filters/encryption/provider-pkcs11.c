/* provider-pkcs11.c - pkcs11:URI: which object of which token is, or unwraps, the key?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An RFC 7512 URI.  What a storage administrator should use is a key pair whose private half never
 * leaves the token, and a passphrase that was encrypted to its public half:
 *   pkcs11:token=T;object=KEK;type=private?pin-source=file:/P&x-wrapped=/etc/weir/vm1.wrapped
 * An object that is the passphrase itself (type=data), or a key that may leave the token
 * (type=secret-key), are read as they are.  The PIN comes from another provider of ours; one that
 * is in the URI (pin-value) would be shown with it, and is refused. */
#include "pkcs11-object.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    P11KitUri *uri;
    CK_OBJECT_CLASS class;
    const char *wrapped;   /* file; NULL: the object itself */
    char pin_source[4096]; /* a word of keys.h; "": no login */
};

/* A login belongs to the whole process, and so does the number of wrong PINs.  Held while a
 * token is asked, which is why: two who ask at once would log each other in or out.  Taken
 * with the lock of an encryption held; takes none. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* ---- the URI ------------------------------------------------------------------ */

static int check_pin(struct place *place, char why[HEADER_WHY])
{
    const char *source = p11_kit_uri_get_pin_source(place->uri);
    char reason[HEADER_WHY];

    if (p11_kit_uri_get_pin_value(place->uri))
        return key_refuse(why, EINVAL,
                          "pkcs11: pin-value would show the PIN to all who see the configuration: "
                          "put it into a file and write pin-source=file:/PATH; then change it");
    if (!source)
        return 0;
    int n = snprintf(place->pin_source, sizeof place->pin_source, "%s%s",
                     source[0] == '/' ? "file:" : "", source);
    for (const char *const *no = (const char *const[]){ "pkcs11:", "token:", "clevis:", NULL }; *no;
         no++)
        if (!strncmp(place->pin_source, *no, strlen(*no)))
            return key_refuse(why, EINVAL,
                              "pkcs11: pin-source=%s: expected file:, credential:, keyring: or "
                              "exec: and where the PIN is",
                              *no);
    if (n >= (int)sizeof place->pin_source || keys_check(place->pin_source, reason))
        return key_refuse(why, EINVAL, "pkcs11: pin-source: %.400s", reason);
    return 0;
}

/* A PIN must not go to just any token: each has few attempts. */
static bool names_token(P11KitUri *uri)
{
    const CK_TOKEN_INFO *info = p11_kit_uri_get_token_info(uri);

    return info->label[0] || info->serialNumber[0];
}

static int check_object(struct place *place, char why[HEADER_WHY])
{
    const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(place->uri, CKA_CLASS);

    place->class =
        class && class->ulValueLen == sizeof place->class ? *(const CK_OBJECT_CLASS *)class->pValue
                                                          : CK_UNAVAILABLE_INFORMATION;
    place->wrapped = p11_kit_uri_get_vendor_query(place->uri, "x-wrapped");
    if (place->class == CKO_PRIVATE_KEY) {
        if (place->wrapped && place->wrapped[0] == '/')
            return 0;
        return key_refuse(why, EINVAL,
                          "pkcs11: type=private needs x-wrapped=/PATH, the file with the "
                          "passphrase that was encrypted to its public key");
    }
    if (place->wrapped)
        return key_refuse(why, EINVAL, "pkcs11: x-wrapped is for type=private, which unwraps it");
    if (place->class == CKO_DATA || place->class == CKO_SECRET_KEY)
        return 0;
    return key_refuse(why, EINVAL,
                      "pkcs11: expected type=private and x-wrapped=/PATH, or type=data or "
                      "type=secret-key for an object that is the passphrase itself");
}

static int parse(const char *word, struct place *place, char why[HEADER_WHY])
{
    char *whole = NULL;

    *place = (struct place){ .uri = p11_kit_uri_new() };
    if (!place->uri || asprintf(&whole, "pkcs11:%s", word) < 0) {
        p11_kit_uri_free(place->uri);
        return key_refuse(why, ENOMEM, "no memory");
    }
    int bad = p11_kit_uri_parse(whole, P11_KIT_URI_FOR_ANY, place->uri), r = 0;
    free(whole);
    /* the word is not quoted: it may hold a PIN, which is what is wrong with it */
    if (bad)
        r = key_refuse(why, EINVAL,
                       "pkcs11: the URI is not one of RFC 7512: expected pkcs11:token=NAME;"
                       "object=NAME;type=private?pin-source=file:/PATH&x-wrapped=/PATH");
    else if (p11_kit_uri_any_unrecognized(place->uri))
        r = key_refuse(why, EINVAL,
                       "pkcs11: the URI has an attribute that RFC 7512 does not name: expected "
                       "token, serial, manufacturer, model, object, id, type, and pin-source, "
                       "module-name, module-path, x-wrapped after \"?\".");
    else if (!names_token(place->uri))
        r = key_refuse(why, EINVAL,
                       "pkcs11: the URI names no token: expected token=LABEL or serial=NUMBER, so "
                       "that a PIN never goes to another one");
    if (!r)
        r = check_pin(place, why);
    if (!r)
        r = check_object(place, why);
    if (r)
        p11_kit_uri_free(place->uri);
    return r;
}

static int check(const char *word, char why[HEADER_WHY])
{
    struct place place;
    int r = parse(word, &place, why);

    if (!r)
        p11_kit_uri_free(place.uri);
    return r;
}

/* ---- the token ---------------------------------------------------------------- */

static int check_attempts(const struct pkcs11_token *token, CK_FLAGS flags, char why[HEADER_WHY])
{
    if (flags & CKF_USER_PIN_LOCKED)
        return key_refuse(why, EKEYREJECTED,
                          "pkcs11: the PIN of token \"%s\" is locked: its security officer can "
                          "set a new one",
                          token->label);
    if (flags & CKF_USER_PIN_FINAL_TRY)
        return key_refuse(why, EKEYREJECTED,
                          "pkcs11: one more wrong PIN locks the token \"%s\": not tried; log in "
                          "by hand with the right one, as by pkcs11-tool --login --test",
                          token->label);
    return 0;
}

static int log_in(const struct pkcs11_token *token, const struct key_request *request,
                  const char *source, char why[HEADER_WHY])
{
    struct secret pin = { 0 };
    char reason[HEADER_WHY];
    int r = keys_get(source, request, &pin, reason);

    if (r)
        return key_refuse(why, -r, "pkcs11: the PIN of token \"%s\": %.400s", token->label, reason);
    if (pin.size > 1 && pin.data[pin.size - 1] == '\n') /* a PIN is a line of text */
        pin.size--;
    CK_RV rv = token->module->C_Login(token->session, CKU_USER, pin.data, pin.size);
    secret_clear(&pin);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return 0;
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
        return key_refuse(why, EKEYREJECTED,
                          "pkcs11: the token \"%s\" refuses the PIN of %s: correct it before the "
                          "token locks itself",
                          token->label, source);
    return pkcs11_refuse(token, rv, "refuses the login", why);
}

static int use(const struct key_request *request, const struct place *place,
               struct pkcs11_token *token, CK_SLOT_ID slot, const CK_TOKEN_INFO *info,
               struct secret *key, char why[HEADER_WHY])
{
    bool login = place->pin_source[0];
    CK_OBJECT_HANDLE object = 0;
    int r = login ? check_attempts(token, info->flags, why) : 0;

    if (r)
        return r;
    CK_RV rv = token->module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &token->session);
    if (rv != CKR_OK)
        return pkcs11_refuse(token, rv, "cannot be opened", why);
    if (login)
        r = log_in(token, request, place->pin_source, why);
    if (!r)
        r = pkcs11_find(token, place->uri, &object, why);
    if (!r && place->wrapped)
        r = pkcs11_unwrap(token, object, place->wrapped, key, why);
    else if (!r)
        r = pkcs11_read(token, object, key, why);
    token->module->C_CloseSession(token->session); /* the last one logs out */
    return r;
}

/* ---- modules ------------------------------------------------------------------ */

static int find_slot(CK_FUNCTION_LIST *module, P11KitUri *uri, CK_SLOT_ID *slot,
                     CK_TOKEN_INFO *info)
{
    CK_SLOT_ID slots[64];
    CK_ULONG count = sizeof slots / sizeof *slots;

    if (module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
        return -ENOENT;
    for (CK_ULONG i = 0; i < count; i++)
        if (module->C_GetTokenInfo(slots[i], info) == CKR_OK &&
            (info->flags & CKF_TOKEN_INITIALIZED) && p11_kit_uri_match_token_info(uri, info)) {
            *slot = slots[i];
            return 0;
        }
    return -ENOENT;
}

static bool module_matches(CK_FUNCTION_LIST *module, P11KitUri *uri)
{
    const char *wanted = p11_kit_uri_get_module_name(uri);
    CK_INFO info;

    if (wanted) {
        char *name = p11_kit_module_get_name(module);
        bool same = name && !strcmp(name, wanted);
        free(name);
        if (!same)
            return false;
    }
    return module->C_GetInfo(&info) == CKR_OK && p11_kit_uri_match_module_info(uri, &info);
}

static int search(const struct key_request *request, const struct place *place,
                  CK_FUNCTION_LIST **modules, struct secret *key, char why[HEADER_WHY])
{
    for (size_t i = 0; modules[i]; i++) {
        struct pkcs11_token token = { .module = modules[i] };
        CK_SLOT_ID slot;
        CK_TOKEN_INFO info;
        if (!module_matches(modules[i], place->uri) ||
            find_slot(modules[i], place->uri, &slot, &info))
            continue;
        size_t length = sizeof info.label; /* padded with blanks */
        while (length && info.label[length - 1] == ' ')
            length--;
        memcpy(token.label, info.label, length);
        return use(request, place, &token, slot, &info, key, why);
    }
    return key_refuse(why, ENOENT,
                      "pkcs11: no module has a token of that name: look with p11tool "
                      "--list-tokens or p11-kit list-modules, or name its library by "
                      "module-path=/PATH");
}

/* By module-path the one, else those that p11-kit's configuration names. */
static int with_modules(const struct key_request *request, const struct place *place,
                        struct secret *key, char why[HEADER_WHY])
{
    const char *path = p11_kit_uri_get_module_path(place->uri);
    CK_FUNCTION_LIST *single[2] = { NULL, NULL };

    if (!path) {
        CK_FUNCTION_LIST **all = p11_kit_modules_load_and_initialize(0);
        if (!all)
            return key_refuse(why, EIO, "pkcs11: no module can be loaded: %s",
                              p11_kit_message() ? p11_kit_message() : "p11-kit does not say why");
        int r = search(request, place, all, key, why);
        p11_kit_modules_finalize_and_release(all);
        return r;
    }
    single[0] = p11_kit_module_load(path, 0);
    if (!single[0])
        return key_refuse(why, ENOENT, "pkcs11: the module \"%s\" cannot be loaded: %s", path,
                          p11_kit_message() ? p11_kit_message() : "p11-kit does not say why");
    CK_RV rv = p11_kit_module_initialize(single[0]);
    int r = rv == CKR_OK ? search(request, place, single, key, why)
                         : key_refuse(why, EIO, "pkcs11: the module \"%s\" does not start: %s",
                                      path, p11_kit_strerror(rv));
    if (rv == CKR_OK)
        p11_kit_module_finalize(single[0]);
    p11_kit_module_release(single[0]);
    return r;
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    struct place place;
    int r = parse(request->word, &place, why);

    if (r)
        return r;
    pthread_mutex_lock(&one_at_a_time);
    r = with_modules(request, &place, key, why);
    pthread_mutex_unlock(&one_at_a_time);
    p11_kit_uri_free(place.uri);
    return r;
}

const struct key_provider provider_pkcs11 = {
    .name = "pkcs11",
    .summary = "URI: a passphrase that a PKCS #11 token unwraps or holds (RFC 7512).",
    .check = check,
    .get = get,
};
