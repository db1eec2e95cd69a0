/* scratch.c - where do writes to a point go?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scope.h"

enum { SCRATCH_BLOCK = 4096 };

/* Blocks that somebody writes: who writes a part of one of them waits. */
struct busy {
    uint64_t first, last; /* blocks, last included */
    struct busy *next;
};

struct scratch {
    struct scratch_setup setup;
    struct medium_file *file;
    _Atomic uint64_t *there; /* a bit for each block; mmap'ed to be sparse */
    size_t there_size;       /* bytes */
    pthread_mutex_t lock;    /* guards busy; a leaf, no I/O under it */
    pthread_cond_t changed;
    struct busy *busy;
};

static int open_file(struct scratch *s)
{
    static _Atomic uint64_t number; /* names are of one process: each has a pid */
    char name[64];
    struct medium *m = s->setup.medium;
    int r;

    snprintf(name, sizeof name, "scratch.%ld.%" PRIu64, (long)getpid(),
             atomic_fetch_add(&number, 1));
    if ((r = m->open(m, name, MEDIUM_CREATE, &s->file))) {
        s->file = NULL;
        return r;
    }
    r = m->remove(m, name);
    return r ? r : s->file->truncate(s->file, s->setup.size);
}

int scratch_open(const struct scratch_setup *setup, struct scratch **ret)
{
    struct scratch *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    s->setup = *setup;
    s->there_size = (setup->size / SCRATCH_BLOCK / 64 + 1) * sizeof *s->there;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    void *bits = mmap(NULL, s->there_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    s->there = bits == MAP_FAILED ? NULL : bits;
    r = s->there ? open_file(s) : -ENOMEM;
    if (r) {
        scratch_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void scratch_close(struct scratch *s)
{
    if (!s)
        return;
    if (s->file)
        s->file->close(s->file);
    if (s->there)
        munmap((void *)s->there, s->there_size);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- which blocks are there -------------------------------------------------------- */

static bool is_there(struct scratch *s, uint64_t block)
{
    return atomic_load(&s->there[block / 64]) >> block % 64 & 1;
}

uint64_t scratch_span(struct scratch *s, uint64_t offset, uint64_t length, bool *there)
{
    const uint64_t end = offset + length;
    uint64_t block = offset / SCRATCH_BLOCK;

    *there = is_there(s, block);
    do {
        const uint64_t word = atomic_load(&s->there[block / 64]);
        /* 64 at once where they are alike */
        block += block % 64 == 0 && word == (*there ? UINT64_MAX : 0) ? 64 : 1;
    } while (block * SCRATCH_BLOCK < end && is_there(s, block) == *there);
    return block * SCRATCH_BLOCK < end ? block * SCRATCH_BLOCK - offset : length;
}

int scratch_read(struct scratch *s, void *data, uint64_t length, uint64_t offset)
{
    return file_read(s->file, data, length, offset);
}

/* ---- writing ----------------------------------------------------------------------- */

static void occupy(struct scratch *s, struct busy *b)
{
    hold_lock(&s->lock);
    const struct busy *other = s->busy;

    while (other) {
        if (other->first <= b->last && b->first <= other->last) {
            pthread_cond_wait(&s->changed, &s->lock);
            other = s->busy;
        } else {
            other = other->next;
        }
    }
    b->next = s->busy;
    s->busy = b;
}

static void leave(struct scratch *s, struct busy *b)
{
    hold_lock(&s->lock);
    struct busy **at = &s->busy;

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    pthread_cond_broadcast(&s->changed);
}

/* What lies below [from, to), which is a part of a block that is not there. */
static int fill_up(struct scratch *s, uint64_t from, uint64_t to)
{
    uint8_t below[SCRATCH_BLOCK];
    int r;

    if (to > s->setup.size)
        to = s->setup.size;
    if (from >= to || is_there(s, from / SCRATCH_BLOCK))
        return 0;
    r = s->setup.read(s->setup.arg, below, (size_t)(to - from), from);
    return r ? r : file_write(s->file, below, (size_t)(to - from), from);
}

/* The blocks are said to be there last: a write that failed has changed nothing that is read. */
int scratch_write(struct scratch *s, const void *data, uint64_t length, uint64_t offset)
{
    const uint64_t end = offset + length;
    struct busy b = { .first = offset / SCRATCH_BLOCK, .last = (end - 1) / SCRATCH_BLOCK };
    int r;

    occupy(s, &b);
    r = fill_up(s, b.first * SCRATCH_BLOCK, offset);
    if (!r)
        r = fill_up(s, end, (b.last + 1) * SCRATCH_BLOCK);
    if (!r)
        r = data ? file_write(s->file, data, length, offset)
                 : s->file->zero(s->file, length, offset);
    for (uint64_t block = b.first; !r && block <= b.last; block++)
        atomic_fetch_or(&s->there[block / 64], 1ull << block % 64);
    leave(s, &b);
    return r;
}
