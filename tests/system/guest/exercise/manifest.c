/* manifest.c - what should be in each file, for whoever reads it later?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A line is HASH SIZE NAME; HASH is XXH3 of 128 bits. */
#include "manifest.h"

#define XXH_INLINE_ALL
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static void hash_text(const void *data, size_t size, char text[33])
{
    XXH128_hash_t hash = XXH3_128bits(data, size);

    snprintf(text, 33, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}

int manifest_create(const char *folder)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/manifest", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        perror(path);
    return fd;
}

int manifest_add(int manifest, const struct file *f)
{
    char hash[33], line[PATH_MAX + 64];

    hash_text(f->data, f->size, hash);
    int length =
        snprintf(line, sizeof line, "%s %zu %s\n", hash, f->size, strrchr(f->path, '/') + 1);
    return write(manifest, line, (size_t)length) == length ? 0 : -EIO;
}

/* The caller frees *data. */
static int read_file(const char *path, unsigned char **data, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;

    *data = NULL;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!(*data = malloc((size_t)st.st_size + 1)))
        r = -ENOMEM;
    *size = 0;
    while (r == 0) {
        ssize_t n = read(fd, *data + *size, (size_t)st.st_size + 1 - *size);
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        *size += (size_t)n;
    }
    close(fd);
    if (r == 0)
        (*data)[*size] = 0;
    return r;
}

static int verify_line(const char *folder, const char *line)
{
    char path[PATH_MAX], name[256], expected[33], found[33];
    unsigned char *data;
    size_t size, there;

    if (sscanf(line, "%32s %zu %255s", expected, &size, name) != 3)
        return printf("MISMATCH %s/manifest: '%s' is no line of one\n", folder, line), -EBADMSG;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int r = read_file(path, &data, &there);
    if (r < 0) {
        printf("MISMATCH file=%s: %s\n", path, strerror(-r));
    } else {
        hash_text(data, there, found);
        if (there != size || strcmp(expected, found) != 0) {
            printf("MISMATCH file=%s size expected=%zu found=%zu hash expected=%s found=%s\n", path,
                   size, there, expected, found);
            r = -EBADMSG;
        }
    }
    free(data);
    return r;
}

static size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    if (!dir)
        return 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

int manifest_verify(const char *folder)
{
    char path[PATH_MAX], hash[33];
    unsigned char *text;
    size_t size, files = 0;

    snprintf(path, sizeof path, "%s/manifest", folder);
    int r = read_file(path, &text, &size), worst;
    if (r < 0)
        return printf("MISMATCH file=%s: %s\n", path, strerror(-r)), free(text), r;
    hash_text(text, size, hash);
    worst = 0;
    for (char *line = strtok((char *)text, "\n"); line; line = strtok(NULL, "\n"), files++) {
        r = verify_line(folder, line);
        worst = r < 0 ? r : worst;
    }
    free(text);
    if (files == 0 || count_files(folder) != files + 1) {
        printf("MISMATCH %s: the manifest names %zu files, and there are %zu\n", folder, files,
               count_files(folder) - 1);
        worst = -EBADMSG;
    }
    if (!worst)
        printf("VERIFIED %s %zu files manifest=%s\n", folder, files, hash);
    return worst;
}
