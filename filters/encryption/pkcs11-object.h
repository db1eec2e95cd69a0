/* pkcs11-object.h - what is said to a PKCS #11 token between finding it and having a key?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENCRYPTION_PKCS11_OBJECT_H
#define ENCRYPTION_PKCS11_OBJECT_H

#include "provider.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

struct pkcs11_token {
    CK_FUNCTION_LIST *module;
    CK_SESSION_HANDLE session;
    char label[33]; /* for sentences */
};

int pkcs11_refuse(const struct pkcs11_token *, CK_RV, const char *what, char why[HEADER_WHY]);
/* The one object that the URI names; -ENOENT, -ENOTUNIQ. */
int pkcs11_find(const struct pkcs11_token *, P11KitUri *, CK_OBJECT_HANDLE *, char why[HEADER_WHY]);
/* The bytes that it is. */
int pkcs11_read(const struct pkcs11_token *, CK_OBJECT_HANDLE, struct secret *key,
                char why[HEADER_WHY]);
/* What it makes of the bytes of a file. */
int pkcs11_unwrap(const struct pkcs11_token *, CK_OBJECT_HANDLE, const char *path,
                  struct secret *key, char why[HEADER_WHY]);

#endif
