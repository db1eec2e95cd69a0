/* store-memory.c - what does a disk in memory that takes room only where it was written
 * look like?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of leaves, tables of 64 KiB pages.  A page that was never written, or was trimmed
 * whole, is not there, nor is a leaf that never had one: so a disk costs what was written
 * of it, its end included.  Nothing survives close(). */
#include "stores.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "scope.h"

enum { PAGE = 1 << 16, LEAF = 512, LOCKS = 256 };

static const uint64_t largest = 1ull << 44; /* 16 TiB: a table of 4 MiB of address space */

struct memory_config {
    uint64_t limit;
};

struct leaf {
    char *pages[LEAF];
};

struct memory_store {
    uint64_t size, limit;
    _Atomic(struct leaf *) *leaves; /* one that is there stays until close() */
    size_t table_size;              /* bytes of the table, mmap'ed to be sparse */
    uint64_t identity[2];           /* random: no other disk ever was this one */
    _Atomic uint64_t used;          /* bytes in pages */
    /* locks[n % LOCKS] guards page n, the pointer and the bytes: innermost */
    pthread_rwlock_t locks[LOCKS];
};

static const struct weir_option options[] = {
    WEIR_OPTION_SIZE(struct memory_config, limit, .fallback = "0",
                     .help = "How much memory one disk may take, then writes fail with ENOSPC; "
                             "0 is no limit."),
    { 0 },
};

static size_t table_bytes(uint64_t size)
{
    const uint64_t each = (uint64_t)LEAF * PAGE;

    return (size_t)((size + each - 1) / each * sizeof(struct leaf *));
}

static int memory_open(void *self, const struct store_image *image, const void *config,
                       struct weir_text *why)
{
    struct memory_store *m = self;
    const struct memory_config *c = config;

    if (image->size == 0 || image->size > largest) {
        weir_print(why,
                   "a disk of datastore \"%s\" is made of memory: give the export a size of "
                   "at most 16T",
                   image->datastore);
        return -EINVAL;
    }
    m->size = image->size;
    m->limit = c->limit;
    m->table_size = table_bytes(m->size);
    void *table = mmap(NULL, m->table_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED) {
        weir_print(why, "no memory for a disk of %" PRIu64 " bytes: make it smaller", m->size);
        return -ENOMEM;
    }
    m->leaves = table;
    getrandom(m->identity, sizeof m->identity, 0); /* so few bytes never fail to come */
    for (size_t i = 0; i < LOCKS; i++)
        pthread_rwlock_init(&m->locks[i], NULL);
    return 0;
}

static void memory_close(void *self)
{
    struct memory_store *m = self;

    for (size_t i = 0; i < m->table_size / sizeof *m->leaves; i++) {
        struct leaf *leaf = atomic_load(&m->leaves[i]);
        for (size_t n = 0; leaf && n < LEAF; n++)
            free(leaf->pages[n]);
        free(leaf);
    }
    munmap(m->leaves, m->table_size);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_rwlock_destroy(&m->locks[i]);
}

static void memory_geometry(void *self, struct weir_geometry *g)
{
    const struct memory_store *m = self;

    *g = (struct weir_geometry){
        .size = m->size,
        .block_min = 1,
        .block_preferred = 4096,
        .block_max = 32 << 20,
        .ops = WEIR_ALL_OPS,
        .fast_zero = true,
    };
}

/* ---- one page, under its lock -------------------------------------------------------- */

/* Where page n is or would be; NULL while none of its leaf was ever written. */
static char **place_of(struct memory_store *m, uint64_t n)
{
    struct leaf *leaf = atomic_load(&m->leaves[n / LEAF]);

    return leaf ? &leaf->pages[n % LEAF] : NULL;
}

/* Two writers may come to a leaf at once: its pages have different locks. */
static int make_leaf(struct memory_store *m, uint64_t n)
{
    struct leaf *fresh = calloc(1, sizeof *fresh), *none = NULL;

    if (!fresh)
        return -ENOMEM;
    if (!atomic_compare_exchange_strong(&m->leaves[n / LEAF], &none, fresh))
        free(fresh);
    return 0;
}

static int make_page(struct memory_store *m, char **place)
{
    uint64_t used = atomic_fetch_add(&m->used, PAGE);

    if (m->limit && used + PAGE > m->limit) {
        atomic_fetch_sub(&m->used, PAGE);
        return -ENOSPC;
    }
    *place = calloc(1, PAGE);
    if (*place)
        return 0;
    atomic_fetch_sub(&m->used, PAGE);
    return -ENOMEM;
}

static int touch_page(struct memory_store *m, enum weir_op op, uint64_t n, size_t from,
                      size_t count, char *data)
{
    char **place = place_of(m, n), *page = place ? *place : NULL;
    int r = 0;

    switch (op) {
    case WEIR_READ:
        if (page)
            memcpy(data, page + from, count);
        else
            memset(data, 0, count);
        return 0;
    case WEIR_WRITE:
        if (!place) {
            r = make_leaf(m, n);
            place = place_of(m, n);
        }
        if (r == 0 && !page)
            r = make_page(m, place);
        if (r == 0)
            memcpy(*place + from, data, count);
        return r;
    default: /* TRIM and ZERO: the same, for no page reads as zeroes */
        if (page && count == PAGE) {
            free(page);
            *place = NULL;
            atomic_fetch_sub(&m->used, PAGE);
        } else if (page) {
            memset(page + from, 0, count);
        }
        return 0;
    }
}

/* ---- requests -------------------------------------------------------------------------- */

static int memory_move(struct memory_store *m, const struct weir_request *req)
{
    uint64_t offset = req->offset, left = req->length;
    char *data = req->data;
    int r = 0;

    while (left && r == 0) {
        uint64_t n = offset / PAGE;
        size_t from = offset % PAGE;
        size_t count = PAGE - from < left ? PAGE - from : (size_t)left;
        pthread_rwlock_t *lock = &m->locks[n % LOCKS];

        if (req->op == WEIR_READ)
            pthread_rwlock_rdlock(lock);
        else
            pthread_rwlock_wrlock(lock);
        r = touch_page(m, req->op, n, from, count, data);
        pthread_rwlock_unlock(lock);
        offset += count;
        left -= count;
        if (data)
            data += count;
    }
    return r;
}

static bool page_exists(struct memory_store *m, uint64_t n)
{
    pthread_rwlock_rdlock(&m->locks[n % LOCKS]);
    char **place = place_of(m, n);
    bool exists = place && *place;
    pthread_rwlock_unlock(&m->locks[n % LOCKS]);
    return exists;
}

static int memory_extents(struct memory_store *m, const struct weir_request *req)
{
    uint64_t at = req->offset, end = at + req->length;
    int r = 0;

    while (at < end && r == 0) {
        bool exists = page_exists(m, at / PAGE);
        uint64_t next = (at / PAGE + 1) * PAGE;
        while (next < end && page_exists(m, next / PAGE) == exists)
            next += PAGE;
        r = weir_add_extent(req->data, at, (next < end ? next : end) - at,
                            exists ? 0 : WEIR_HOLE | WEIR_READS_ZERO);
        if (req->flags & WEIR_ONE_EXTENT)
            break;
        at = next;
    }
    return r;
}

static int memory_serve(void *self, struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
    case WEIR_WRITE:
    case WEIR_TRIM:
    case WEIR_ZERO:
        return memory_move(self, req);
    case WEIR_EXTENTS:
        return memory_extents(self, req);
    case WEIR_FLUSH:
    case WEIR_PREFETCH:
        return 0;
    case WEIR_OP_COUNT:
        break;
    }
    return -EINVAL;
}

static int memory_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct memory_store *m = self;

    if (size < m->size || size > largest) {
        weir_print(why,
                   "the disk has %" PRIu64 " bytes: the new size must be larger, and at most "
                   "16T",
                   m->size);
        return -EINVAL;
    }
    void *table = mremap(m->leaves, m->table_size, table_bytes(size), MREMAP_MAYMOVE);
    if (table == MAP_FAILED) {
        weir_print(why, "no memory for a disk of %" PRIu64 " bytes", size);
        return -ENOMEM;
    }
    m->leaves = table;
    m->table_size = table_bytes(size);
    m->size = size;
    return 0;
}

static int memory_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self;
    weir_print(why, "snapshot \"%s\": a disk in memory has none; use a file on XFS or btrfs", name);
    return -ENOTSUP;
}

static int memory_identity(void *self, struct weir_identity *ret)
{
    const struct memory_store *m = self;

    return store_identify(ret, "memory %016" PRIx64 "%016" PRIx64, m->identity[0], m->identity[1]);
}

static int memory_space(const void *config, const char *folder, struct store_space *space)
{
    (void)config;
    (void)folder;
    *space = (struct store_space){ 0 };
    return 0;
}

const struct store_type store_memory = {
    .name = "memory",
    .summary = "Sparse disks in memory, gone when the export closes.",
    .self_size = sizeof(struct memory_store),
    .config_size = sizeof(struct memory_config),
    .options = options,
    .open = memory_open,
    .geometry = memory_geometry,
    .serve = memory_serve,
    .grow = memory_grow,
    .snapshot = memory_snapshot,
    .close = memory_close,
    .space = memory_space,
    .identity = memory_identity,
};
