/* signature.c - is a manifest signed by somebody who is trusted here?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Ed25519 over the bytes of the manifest, which has the digests of all else.  Trust is a folder
 * of public keys: a key that is to count no more is taken out of it.
 *
 * By nettle, and not by libcrypto: a gateway judges filters before the first encrypted disk, and
 * encryption needs to be the first to use libcrypto (filters/encryption/secret.c). */
#include "package.h"

#include "../scope.h"
#include "../text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <nettle/eddsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_MOST = 16384 };

/* ---- checking ---------------------------------------------------------------- */

/* Base64, with white space anywhere, of exactly `size` bytes. */
static bool decode_base64(const char *from, size_t length, uint8_t *ret, size_t size)
{
    struct base64_decode_ctx context;
    uint8_t decoded[BASE64_DECODE_LENGTH(SIGNATURE_MOST)];
    size_t got = 0;

    base64_decode_init(&context);
    if (length > SIGNATURE_MOST || !base64_decode_update(&context, &got, decoded, length, from) ||
        !base64_decode_final(&context) || got != size)
        return false;
    memcpy(ret, decoded, size);
    return true;
}

static bool decode(const char *from, size_t size, uint8_t ret[SIGNATURE_SIZE])
{
    if (size != SIGNATURE_SIZE)
        return decode_base64(from, size, ret, SIGNATURE_SIZE);
    memcpy(ret, from, SIGNATURE_SIZE);
    return true;
}

/* ---- keys -------------------------------------------------------------------- */

/* What a SubjectPublicKeyInfo of Ed25519 begins with (RFC 8410): the key's 32 bytes follow. */
static const uint8_t key_head[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

/* False: it is no Ed25519 public key in PEM. */
static bool parse_public(const char *pem, uint8_t key[ED25519_KEY_SIZE])
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----", end[] = "-----END PUBLIC KEY-----";
    uint8_t der[sizeof key_head + ED25519_KEY_SIZE];
    const char *from = strstr(pem, begin);
    const char *to = from ? strstr(from, end) : NULL;

    if (!to)
        return false;
    from += strlen(begin);
    if (!decode_base64(from, (size_t)(to - from), der, sizeof der) ||
        memcmp(der, key_head, sizeof key_head))
        return false;
    memcpy(key, der + sizeof key_head, ED25519_KEY_SIZE);
    return true;
}

/* Who may write there can make any filter a trusted one. */
static bool is_ours(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* False: it does not count, which says nothing about the others. */
static bool read_public(int folder, const char *name, uint8_t key[ED25519_KEY_SIZE],
                        struct weir_text *why)
{
    cleanup_fd int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char pem[KEY_MOST + 1];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return false;
    if (!is_ours(&st)) {
        weir_print(why, "; %s is left out, for others than root may write it", name);
        return false;
    }
    ssize_t size = read(fd, pem, KEY_MOST);
    pem[size > 0 ? size : 0] = '\0';
    if (parse_public(pem, key))
        return true;
    weir_print(why, "; %s holds no Ed25519 public key in PEM", name);
    return false;
}

static bool is_key_file(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && *name != '.' && strcmp(name + length - 4, ".pem") == 0;
}

/* 0 and *signer, or -EKEYREJECTED; *keys: how many were tried. */
static int try_keys(DIR *folder, const void *text, size_t size, const uint8_t *signature,
                    char **signer, unsigned *keys, struct weir_text *why)
{
    for (struct dirent *d; (d = readdir(folder));) {
        uint8_t key[ED25519_KEY_SIZE];
        if (!is_key_file(d->d_name) || !read_public(dirfd(folder), d->d_name, key, why))
            continue;
        ++*keys;
        if (!ed25519_sha512_verify(key, size, text, signature))
            continue;
        if (signer)
            *signer = strndup(d->d_name, strlen(d->d_name) - strlen(".pem"));
        return signer && !*signer ? -ENOMEM : 0;
    }
    return -EKEYREJECTED;
}

int signature_check(const char *path, const void *text, size_t size, const char *signature,
                    size_t signature_size, char **signer, struct weir_text *why)
{
    cleanup_text struct weir_text left_out = { 0 };
    uint8_t decoded[SIGNATURE_SIZE];
    unsigned keys = 0;
    struct stat st;

    if (!signature) {
        weir_print(why, "it is not signed");
        return -EKEYREJECTED;
    }
    if (!decode(signature, signature_size, decoded)) {
        weir_print(why, "its signature is neither 64 bytes nor base64 of them");
        return -EKEYREJECTED;
    }
    DIR *folder = opendir(path);
    if (!folder) {
        weir_print(why, "the folder of trusted keys, %s, cannot be read: %s", path,
                   strerror(errno));
        return -EKEYREJECTED;
    }
    if (fstat(dirfd(folder), &st) || !is_ours(&st)) {
        closedir(folder);
        weir_print(why,
                   "the folder of trusted keys, %s, may be written by others: \"chown root\" and "
                   "\"chmod go-w\" it",
                   path);
        return -EKEYREJECTED;
    }
    int r = try_keys(folder, text, size, decoded, signer, &keys, &left_out);
    closedir(folder);
    if (r == -EKEYREJECTED)
        weir_print(why, "it is signed by none of the %u keys in %s, or was changed since%s", keys,
                   path, text_string(&left_out));
    return r;
}

uint64_t signature_stamp(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return 0;
    return (uint64_t)st.st_ino * 31 + (uint64_t)st.st_mtim.tv_sec * 1000000007u +
           (uint64_t)st.st_mtim.tv_nsec;
}
