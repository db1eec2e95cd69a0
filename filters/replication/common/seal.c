/* seal.c - are these bytes whole, and from somebody who has the key?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_key(const char *path, struct frame_key *key, const char **wrong)
{
    uint8_t bytes[sizeof(key->bytes) + 1]; /* one more shows that there is more */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is not waited for */
    const ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    const int error = n < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    *wrong = n < (ssize_t)sizeof(key->bytes) ? "it is shorter" : "it is longer";
    if (n != sizeof(key->bytes))
        return -EINVAL;
    memcpy(key->bytes, bytes, sizeof(key->bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

int seal_load_key(const char *path, struct frame_key **ret, struct weir_text *why)
{
    const char *wrong = NULL;

    *ret = NULL;
    if (!*path)
        return 0;
    struct frame_key *key = calloc(1, sizeof(*key));
    const int r = key ? read_key(path, key, &wrong) : -ENOMEM;
    if (r) {
        weir_print(why, "key = \"%s\": %s: it is a file of %zu bytes, the same on both sites", path,
                   wrong ? wrong : strerror(-r), sizeof(key->bytes));
        free(key);
        return r;
    }
    *ret = key;
    return 0;
}

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
