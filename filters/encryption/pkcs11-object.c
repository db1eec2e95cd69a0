/* pkcs11-object.c - how does an object of a PKCS #11 token become a key?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "pkcs11-object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { WRAPPED_MAX = 4096 }; /* bytes: RSA of 32768 bits */

int pkcs11_refuse(const struct pkcs11_token *token, CK_RV rv, const char *what,
                  char why[HEADER_WHY])
{
    int error = rv == CKR_HOST_MEMORY ? ENOMEM : rv == CKR_TOKEN_NOT_PRESENT ? ENOENT : EIO;

    return key_refuse(why, error, "pkcs11: the token \"%s\" %s: %s", token->label, what,
                      p11_kit_strerror(rv));
}

int pkcs11_find(const struct pkcs11_token *token, P11KitUri *uri, CK_OBJECT_HANDLE *ret,
                char why[HEADER_WHY])
{
    CK_ULONG count = 0, found = 0;
    CK_ATTRIBUTE *attributes = p11_kit_uri_get_attributes(uri, &count);
    CK_OBJECT_HANDLE objects[2];
    CK_RV rv = token->module->C_FindObjectsInit(token->session, attributes, count);

    if (rv == CKR_OK) {
        rv = token->module->C_FindObjects(token->session, objects, 2, &found);
        token->module->C_FindObjectsFinal(token->session);
    }
    if (rv != CKR_OK)
        return pkcs11_refuse(token, rv, "cannot be searched", why);
    if (!found)
        return key_refuse(why, ENOENT,
                          "pkcs11: the token \"%s\" has no such object: look at its type, object "
                          "and id with pkcs11-tool --list-objects, and give a pin-source if it is "
                          "private",
                          token->label);
    if (found > 1)
        return key_refuse(why, ENOTUNIQ,
                          "pkcs11: the token \"%s\" has several such objects: say which by object "
                          "and id",
                          token->label);
    *ret = objects[0];
    return 0;
}

int pkcs11_read(const struct pkcs11_token *token, CK_OBJECT_HANDLE object, struct secret *key,
                char why[HEADER_WHY])
{
    CK_ATTRIBUTE value = { .type = CKA_VALUE };
    CK_RV rv = token->module->C_GetAttributeValue(token->session, object, &value, 1);

    if (rv == CKR_ATTRIBUTE_SENSITIVE || value.ulValueLen == CK_UNAVAILABLE_INFORMATION)
        return key_refuse(why, EACCES,
                          "pkcs11: the token \"%s\" does not give this object away: use a private "
                          "key with x-wrapped=FILE, or an object that is extractable and not "
                          "sensitive",
                          token->label);
    if (rv != CKR_OK)
        return pkcs11_refuse(token, rv, "cannot be asked for the object", why);
    if (!value.ulValueLen || value.ulValueLen > KEY_SIZE_MAX)
        return key_refuse(why, ENODATA, "pkcs11: the object of token \"%s\" has %lu bytes",
                          token->label, value.ulValueLen);
    uint8_t *data = value.pValue = secret_alloc(value.ulValueLen);
    if (!data)
        return key_refuse(why, ENOMEM, "pkcs11: only %zu bytes of the locked memory are free",
                          secret_room());
    rv = token->module->C_GetAttributeValue(token->session, object, &value, 1);
    if (rv != CKR_OK) {
        secret_free(data);
        return pkcs11_refuse(token, rv, "cannot be asked for the object", why);
    }
    *key = (struct secret){ .data = data, .size = value.ulValueLen };
    return 0;
}

/* ---- wrapped ------------------------------------------------------------------ */

/* It is no secret: anybody may read it. */
static int read_wrapped(const char *path, uint8_t *data, size_t *size, char why[HEADER_WHY])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n;

    if (fd < 0)
        return key_refuse(why, errno, "pkcs11: the wrapped key \"%s\" cannot be opened: %s", path,
                          strerror(errno));
    do
        n = read(fd, data, WRAPPED_MAX + 1);
    while (n < 0 && errno == EINTR);
    int error = errno;
    close(fd);
    if (n < 0)
        return key_refuse(why, error, "pkcs11: the wrapped key \"%s\" cannot be read: %s", path,
                          strerror(error));
    if (!n || n > WRAPPED_MAX)
        return key_refuse(why, EBADMSG,
                          "pkcs11: \"%s\" is no key wrapped by RSA: expected 1 to %d bytes", path,
                          WRAPPED_MAX);
    *size = (size_t)n;
    return 0;
}

/* OAEP with SHA-1, what all tokens have and `openssl pkeyutl` does by default: its proof
 * does not need that hash to be free of collisions. */
int pkcs11_unwrap(const struct pkcs11_token *token, CK_OBJECT_HANDLE object, const char *path,
                  struct secret *key, char why[HEADER_WHY])
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = {
        .hashAlg = CKM_SHA_1,
        .mgf = CKG_MGF1_SHA1,
        .source = CKZ_DATA_SPECIFIED,
    };
    CK_MECHANISM mechanism = { CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep };
    uint8_t wrapped[WRAPPED_MAX + 1], *data;
    size_t size = 0;
    int r = read_wrapped(path, wrapped, &size, why);

    if (r)
        return r;
    data = secret_alloc(WRAPPED_MAX);
    if (!data)
        return key_refuse(why, ENOMEM, "pkcs11: only %zu bytes of the locked memory are free",
                          secret_room());
    CK_ULONG plain = WRAPPED_MAX;
    CK_RV rv = token->module->C_DecryptInit(token->session, &mechanism, object);
    if (rv == CKR_OK)
        rv = token->module->C_Decrypt(token->session, wrapped, size, data, &plain);
    if (rv == CKR_OK && plain)
        r = secret_copy(key, data, plain);
    secret_free(data);
    if (rv == CKR_OK && plain && !r)
        return 0;
    if (r)
        return key_refuse(why, -r, "pkcs11: %s", strerror(-r));
    return key_refuse(why, EACCES,
                      "pkcs11: the token \"%s\" cannot unwrap \"%s\" by RSA-OAEP (SHA-1): %s: wrap "
                      "it again with openssl pkeyutl -encrypt -pkeyopt rsa_padding_mode:oaep and "
                      "the public key of this object",
                      token->label, path, plain ? p11_kit_strerror(rv) : "nothing is in it");
}
