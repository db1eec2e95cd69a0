/* media.c - what does the kit's disk do with a request, and what is left when its power fails?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "media.h"

#include "kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct media *media_in_use;

/* The one of a process that was killed may have been held. */
static void new_lock(struct media *m)
{
    pthread_mutexattr_t shared;

    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&m->lock, &shared);
    pthread_mutexattr_destroy(&shared);
}

struct media *media_create(void)
{
    struct media *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return m == MAP_FAILED ? NULL : m;
}

void media_reset(struct media *m)
{
    madvise(m, sizeof(*m), MADV_REMOVE); /* all zero again */
    new_lock(m);
    m->size = MEDIA_SIZE;
    m->block_min = 512;
    m->block_max = 1 << 20;
}

void media_fault(struct media *m, uint32_t ops, int error, uint64_t count)
{
    atomic_store(&m->fault_error, error);
    atomic_store(&m->fault_left, count);
    atomic_store(&m->fault_ops, ops);
}

void media_calm(struct media *m)
{
    atomic_store(&m->fault_ops, 0);
    atomic_store(&m->delay, 0);
    atomic_store(&m->hung, false);
}

void media_power_cut(struct media *m, uint64_t *random)
{
    new_lock(m);
    for (size_t i = 0; i < MEDIA_MAX / MEDIA_BLOCK; i++) {
        uint8_t *now = m->bytes + i * MEDIA_BLOCK, *safe = m->safe + i * MEDIA_BLOCK;
        if (!m->dirty[i])
            continue;
        if (next_random(random) & 1)
            memcpy(safe, now, MEDIA_BLOCK);
        else
            memcpy(now, safe, MEDIA_BLOCK);
        m->dirty[i] = false;
    }
    media_calm(m);
    atomic_store(&m->kill_at, 0);
}

/* ---- one request --------------------------------------------------------------- */

static void nap(uint64_t ns)
{
    const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
                                .tv_nsec = (long)(ns % 1000000000u) };

    nanosleep(&t, NULL);
}

static void misbehave(struct media *m)
{
    uint64_t delay = atomic_load(&m->delay);

    if (delay)
        nap(delay);
    atomic_fetch_add(&m->hanging, 1);
    while (atomic_load(&m->hung))
        nap(1000000);
    atomic_fetch_sub(&m->hanging, 1);
}

static int fault(struct media *m, enum weir_op op)
{
    if (!(atomic_load(&m->fault_ops) & WEIR_OP(op)))
        return 0;
    uint64_t left = atomic_load(&m->fault_left);
    do
        if (!left)
            return 0;
    while (!atomic_compare_exchange_weak(&m->fault_left, &left, left - 1));
    atomic_fetch_add(&m->faults, 1);
    return -atomic_load(&m->fault_error);
}

static void put(struct media *m, const struct weir_request *req, uint64_t length)
{
    if (req->op == WEIR_WRITE)
        memcpy(m->bytes + req->offset, req->data, length);
    else
        memset(m->bytes + req->offset, 0, length);
    for (uint64_t at = req->offset / MEDIA_BLOCK;
         length && at <= (req->offset + length - 1) / MEDIA_BLOCK; at++) {
        if (req->flags & WEIR_FUA) {
            memcpy(m->safe + at * MEDIA_BLOCK, m->bytes + at * MEDIA_BLOCK, MEDIA_BLOCK);
            m->dirty[at] = false;
        } else {
            m->dirty[at] = true;
        }
    }
}

/* Half of what is written is there, in whole blocks, when the process dies. */
static void change(struct media *m, const struct weir_request *req)
{
    uint64_t end = req->offset + req->length, half = req->offset + req->length / 2;
    struct timespec t;

    if (atomic_fetch_add(&m->changes, 1) + 1 == atomic_load(&m->kill_at)) {
        half -= half % MEDIA_BLOCK;
        if (half > req->offset && half < end)
            put(m, req, half - req->offset);
        atomic_store(&m->killed, true);
        kill(getpid(), SIGKILL);
    }
    put(m, req, req->length);
    clock_gettime(CLOCK_REALTIME, &t);
    atomic_store(&m->changed, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static void make_safe(struct media *m)
{
    for (size_t i = 0; i < MEDIA_MAX / MEDIA_BLOCK; i++)
        if (m->dirty[i]) {
            memcpy(m->safe + i * MEDIA_BLOCK, m->bytes + i * MEDIA_BLOCK, MEDIA_BLOCK);
            m->dirty[i] = false;
        }
}

static int obey(struct media *m, struct weir_request *req)
{
    hold_lock(&m->lock);

    switch (req->op) {
    case WEIR_READ:
        memcpy(req->data, m->bytes + req->offset, req->length);
        return 0;
    case WEIR_WRITE:
    case WEIR_TRIM:
    case WEIR_ZERO:
        change(m, req);
        return 0;
    case WEIR_FLUSH:
        make_safe(m);
        return 0;
    case WEIR_EXTENTS:
        return weir_add_extent(req->data, req->offset, req->length, 0);
    case WEIR_PREFETCH:
    case WEIR_OP_COUNT:
        break;
    }
    return 0;
}

static int media_serve(void *self, struct weir_request *req)
{
    struct media *m = *(struct media **)self;

    atomic_fetch_add(&m->served[req->op], 1);
    misbehave(m);
    int r = fault(m, req->op);
    return r ? r : obey(m, req);
}

/* No datastore of a file is opened here. */
const struct store_type *const *store_types(void)
{
    static const struct store_type *const types[] = { &media_store, NULL };

    return types;
}

const struct store_type *store_find(const char *type)
{
    return strcmp(type, media_store.name) == 0 ? &media_store : NULL;
}

/* ---- the rest of a store -------------------------------------------------------- */

static int media_open(void *self, const struct store_image *image, const void *config,
                      struct weir_text *why)
{
    (void)image;
    (void)config;
    (void)why;
    *(struct media **)self = media_in_use;
    return 0;
}

static void media_geometry(void *self, struct weir_geometry *geometry)
{
    const struct media *m = *(struct media **)self;

    *geometry = (struct weir_geometry){ .size = m->size,
                                        .block_min = m->block_min,
                                        .block_preferred = MEDIA_BLOCK,
                                        .block_max = m->block_max,
                                        .ops = WEIR_ALL_OPS,
                                        .fast_zero = true };
}

static int media_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct media *m = *(struct media **)self;

    if (size > MEDIA_MAX) {
        weir_print(why, "the kit's disk ends at %d bytes", MEDIA_MAX);
        return -ENOSPC;
    }
    m->size = size;
    return 0;
}

static int media_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self;
    (void)name;
    (void)why;
    return 0;
}

static int media_identity(void *self, struct weir_identity *ret)
{
    const struct media *m = *(struct media **)self;

    snprintf(ret->name, sizeof(ret->name), "the kit's disk");
    ret->changed = atomic_load(&m->changed);
    return 0;
}

static void media_close(void *self)
{
    (void)self;
}

static const struct weir_option media_options[] = { { 0 } };
const struct store_type media_store = {
    .name = "certify",
    .summary = "A disk that fails, lags, hangs and loses its power.",
    .self_size = sizeof(struct media *),
    .config_size = 8,
    .options = media_options,
    .open = media_open,
    .geometry = media_geometry,
    .serve = media_serve,
    .grow = media_grow,
    .snapshot = media_snapshot,
    .close = media_close,
    .identity = media_identity,
};
