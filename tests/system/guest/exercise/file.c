/* file.c - is in a file what its model says?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

size_t random_below(uint64_t *state, size_t below)
{
    return (size_t)(random_next(state) % below);
}

int file_open(struct file *f, int flags)
{
    f->fd = open(f->path, O_RDWR | O_CLOEXEC | flags, 0644);
    if (f->fd < 0)
        return -errno;
    f->direct = open(f->path, O_RDWR | O_CLOEXEC | O_DIRECT);
    return f->direct < 0 && errno != EINVAL ? -errno : 0;
}

void file_close(struct file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->direct >= 0)
        close(f->direct);
    f->fd = f->direct = -1;
}

int file_create(struct file *f, const char *path, size_t limit)
{
    *f = (struct file){ .fd = -1, .direct = -1, .limit = limit };
    snprintf(f->path, sizeof f->path, "%s", path);
    f->data = calloc(1, limit);
    return f->data ? file_open(f, O_CREAT | O_EXCL) : -ENOMEM;
}

void file_destroy(struct file *f)
{
    if (!f->data)
        return;
    file_close(f);
    free(f->data);
    f->data = NULL;
}

void file_touch(struct file *f, const struct where *at, const char *name, size_t from, size_t to)
{
    f->history[f->touches++ % HISTORY] =
        (struct touch){ .number = at->number, .name = name, .from = from, .to = to };
}

void file_zero(struct file *f, size_t from, size_t to)
{
    memset(f->data + from, 0, to - from);
}

void file_resize(struct file *f, size_t size)
{
    if (size < f->size)
        file_zero(f, size, f->size);
    f->size = size;
}

static void say_bytes(const char *whose, const unsigned char *bytes, size_t length)
{
    printf("  %s", whose);
    for (size_t i = 0; i < length && i < 16; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

/* The last eight operations that touched the byte, the newest first. */
static void say_history(const struct file *f, size_t offset)
{
    size_t known = f->touches < HISTORY ? f->touches : HISTORY;
    unsigned said = 0;

    for (size_t back = 1; back <= known && said < 8; back++) {
        const struct touch *t = &f->history[(f->touches - back) % HISTORY];
        if (offset < t->from || offset >= t->to)
            continue;
        printf("  operation %" PRIu64 ": %s of bytes %zu to %zu\n", t->number, t->name, t->from,
               t->to);
        said++;
    }
    if (!said)
        printf("  none of the last %zu operations touched it\n", known);
}

int file_judge(const struct file *f, const struct where *at, const unsigned char *found,
               size_t from, size_t length)
{
    const unsigned char *expected = f->data + from;
    size_t first = 0, wrong = 0;

    if (memcmp(expected, found, length) == 0)
        return 0;
    while (expected[first] == found[first])
        first++;
    for (size_t i = first; i < length; i++)
        wrong += expected[i] != found[i];
    printf("MISMATCH seed=%" PRIu64 " worker=%u operation=%" PRIu64 " file=%s offset=%zu wrong=%zu "
           "of %zu\n",
           at->seed, at->worker, at->number, f->path, from + first, wrong, length);
    say_bytes("expected", expected + first, length - first);
    say_bytes("found   ", found + first, length - first);
    say_history(f, from + first);
    fflush(stdout);
    return -EBADMSG;
}

int say_short(const struct file *f, const struct where *at, size_t from, size_t expected,
              ssize_t found)
{
    printf("MISMATCH seed=%" PRIu64 " worker=%u operation=%" PRIu64 " file=%s offset=%zu bytes "
           "expected=%zu found=%zd\n",
           at->seed, at->worker, at->number, f->path, from, expected, found);
    fflush(stdout);
    return -EBADMSG;
}

ssize_t file_read(const struct file *f, int direct, void *to, size_t from, size_t length)
{
    if (direct && f->direct >= 0) {
        ssize_t n = pread(f->direct, to, length, (off_t)from);
        if (n >= 0 || errno != EIO)
            return n;
        printf("COLLISION file=%s offset=%zu: read by way of memory\n", f->path, from);
    }
    return pread(f->fd, to, length, (off_t)from);
}

int file_compare(const struct file *f, const struct where *at, int direct)
{
    static unsigned char piece[64 * 1024] __attribute__((aligned(BLOCK))); /* one thread */
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return -errno;
    if ((size_t)st.st_size != f->size) {
        printf("MISMATCH seed=%" PRIu64 " worker=%u operation=%" PRIu64
               " file=%s size expected=%zu "
               "found=%zu\n",
               at->seed, at->worker, at->number, f->path, f->size, (size_t)st.st_size);
        say_history(f, f->size ? f->size - 1 : 0);
        fflush(stdout);
        return -EBADMSG;
    }
    for (size_t from = 0; from < f->size; from += sizeof piece) {
        size_t length = f->size - from < sizeof piece ? f->size - from : sizeof piece;
        ssize_t n = file_read(f, direct, piece, from, sizeof piece);
        if (n < 0)
            return -errno;
        if ((size_t)n != length)
            return say_short(f, at, from, length, n);
        int r = file_judge(f, at, piece, from, length);
        if (r < 0)
            return r;
    }
    return 0;
}
