/* key-of.c - which key does a word give?  Prints its SHA-256 and length, never the key.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     key-of KEY [SECONDS [TOKENS]]
 *
 * TOKENS is a file with the JSON of one LUKS2 token on each line, in place of a header; an
 * empty line is a number that no token has.  Prints the error's name and its sentence, and
 * ends with 1, when there is no key. */
#include "keys.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MAX = 32 };

static char *tokens[TOKENS_MAX];

int header_token(const struct header *header, int token, char **json)
{
    if (!header || token < 0 || token >= TOKENS_MAX || !tokens[token])
        return -ENOENT;
    if (!*tokens[token])
        return -ENODATA;
    *json = strdup(tokens[token]);
    return *json ? 0 : -ENOMEM;
}

static void read_tokens(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;

    if (!file) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < TOKENS_MAX && getline(&line, &room, file) > 0; i++) {
        line[strcspn(line, "\n")] = '\0';
        tokens[i] = strdup(line);
    }
    free(line);
    fclose(file);
}

static int show(const struct secret *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (!EVP_Digest(key->data, key->size, digest, &size, EVP_sha256(), NULL))
        return 2;
    for (unsigned i = 0; i < size; i++)
        printf("%02x", digest[i]);
    printf(" %zu\n", key->size);
    return secret_holds(key->data) ? 0 : 3;
}

int main(int argc, char **argv)
{
    char why[HEADER_WHY] = "";
    struct secret key = { 0 };
    struct key_request request = {
        .export = "vm1",
        .uuid = "6c8b4ac3-5b1c-4a3c-9b1e-1d8f0d1c2e3f",
        .patience = (argc > 2 ? strtoull(argv[2], NULL, 10) : 30) * 1000000000,
        /* never looked into: the tokens above are what it is asked for */
        .header = argc > 3 ? (const struct header *)tokens : NULL,
    };

    if (argc < 2 || secret_init(why, sizeof why)) {
        fprintf(stderr, "key-of KEY [SECONDS [TOKENS]] %s\n", why);
        return 2;
    }
    if (argc > 3)
        read_tokens(argv[3]);
    int r = keys_get(argv[1], &request, &key, why);
    if (r)
        printf("%s: %s\n", strerrorname_np(-r), why);
    else
        r = show(&key);
    secret_clear(&key);
    for (int i = 0; i < TOKENS_MAX; i++)
        free(tokens[i]);
    return r < 0 ? 1 : r;
}
