/* key-of.c - which key does a word give, and where else does it lie then?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     key-of KEY [SECONDS [TOKENS]]
 *
 * Prints the key's SHA-256, never the key, how many bytes it has, and how many of its words of
 * 8 bytes are found outside the region in what can be read of this process.  (0 under
 * sanitizers, whose memory is too large.)
 *
 * TOKENS is a file with the JSON of one LUKS2 token on each line, in place of a header; an
 * empty line is a number that no token has.  Prints the error's name and its sentence, and
 * ends with 1, when there is no key. */
#include "child.h"
#include "keys.h"
#include "needle.h"

#include <errno.h>
#include <fcntl.h>
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

/* Without malloc(), the stack or stdio, which would write over what was left behind. */
static size_t count_outside(const struct secret *key)
{
    static char text[1 << 20];
    static struct needle needle;
    size_t size = 0, found = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && (n = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    close(fd);
    if (SANITIZED || !size)
        return !SANITIZED;
    needle_add(&needle, key->data, key->size / 8 * 8);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        char *at;
        const uint8_t *start = (const uint8_t *)strtoul(line, &at, 16);
        const uint8_t *end = (const uint8_t *)strtoul(at + 1, &at, 16);
        char *name = memchr(line, '[', strcspn(line, "\n"));
        if (at[1] != 'r' || secret_holds(start) ||
            (name && (!strncmp(name, "[vvar", 5) || !strncmp(name, "[vsys", 5))))
            continue;
        found += needle_count(&needle, start, (size_t)(end - start));
    }
    return found;
}

static int show(const struct secret *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    size_t outside = count_outside(key);

    if (!EVP_Digest(key->data, key->size, digest, &size, EVP_sha256(), NULL))
        return 2;
    for (unsigned i = 0; i < size; i++)
        printf("%02x", digest[i]);
    printf(" %zu %zu\n", key->size, outside);
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
