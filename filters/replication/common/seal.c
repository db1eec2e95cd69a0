/* seal.c - are these bytes whole, and from somebody who has the key?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "seal.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

uint32_t seal_crc(const void *data, size_t length)
{
    /* the library's signature has no const, but it only reads */
    return ~crc32_iscsi((unsigned char *)data, (int)length, ~0u);
}

int seal_tag(const struct frame_key *key, const void *head, size_t head_length, const void *body,
             size_t body_length, uint8_t out[FRAME_TAG])
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    size_t length = 0;
    const bool good = context && EVP_MAC_init(context, key->bytes, sizeof(key->bytes), params) &&
                      EVP_MAC_update(context, head, head_length) &&
                      EVP_MAC_update(context, body, body_length) &&
                      EVP_MAC_final(context, out, &length, FRAME_TAG) && length == FRAME_TAG;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(hmac);
    return good ? 0 : -ENOMEM; /* nothing else can be wrong */
}

int seal_check(const struct frame_key *key, const void *head, size_t head_length, const void *body,
               size_t body_length, const uint8_t tag[FRAME_TAG])
{
    uint8_t right[FRAME_TAG];
    const int error = seal_tag(key, head, head_length, body, body_length, right);

    if (error)
        return error;
    return CRYPTO_memcmp(right, tag, FRAME_TAG) ? -EKEYREJECTED : 0;
}
