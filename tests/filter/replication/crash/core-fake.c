/* core-fake.c - what of the core does the filter of a replicated disk need?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "source-site.h"

#include "map.h"
#include "medium.h"
#include "text.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A request and what the core keeps beside it. */
struct request {
    struct weir_request pub;
    struct weir_below *below;
    sem_t resumed;
    enum weir_verdict verdict;
    void *scratch;
};

/* ---- what a filter asks of a request ----------------------------------------------------- */

void weir_resume(struct weir_request *req, enum weir_verdict verdict)
{
    struct request *r = (struct request *)req;

    r->verdict = verdict;
    sem_post(&r->resumed);
}

void weir_resume_error(struct weir_request *req, int error)
{
    ((struct request *)req)->pub.error = error;
    weir_resume(req, WEIR_FAIL);
}

void *weir_scratch(struct weir_request *req)
{
    return ((struct request *)req)->scratch;
}

void *weir_stats(const struct weir_request *req)
{
    return ((const struct request *)req)->below->stats;
}

uint64_t weir_now(const struct weir_request *req)
{
    struct timespec t;

    (void)req;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- what it asks of its place ----------------------------------------------------------------
 */

const char *weir_export_name(const struct weir_below *b)
{
    return b->name;
}

void weir_geometry(const struct weir_below *b, struct weir_geometry *g)
{
    (void)b;
    *g = (struct weir_geometry){
        .size = SITE_SIZE,
        .block_min = 1,
        .block_preferred = 4096,
        .block_max = 32 << 20,
        .ops = WEIR_ALL_OPS,
    };
}

void *weir_own_stats(struct weir_below *b)
{
    return b->stats;
}

const void *weir_own_config(struct weir_below *b)
{
    return b->config;
}

int weir_read(struct weir_below *b, void *data, uint64_t length, uint64_t offset, uint32_t flags)
{
    (void)flags;
    int r = file_read(b->file, data, length, offset);
    if (b->source->on_read)
        b->source->on_read(b->source->on_read_arg);
    return r;
}

int weir_flush(struct weir_below *b, uint32_t flags)
{
    (void)flags;
    return file_sync(b->file);
}

int __real_map_open(const struct map_setup *, struct map **, struct map_found *,
                    struct weir_text *);
int __wrap_map_open(const struct map_setup *, struct map **, struct map_found *,
                    struct weir_text *);

/* An extent becomes cold within the life of a test: else a crash would find an intent on each, and
 * nothing that the map says could be wrong. */
int __wrap_map_open(const struct map_setup *setup, struct map **ret, struct map_found *found,
                    struct weir_text *why)
{
    struct map_setup quick = *setup;

    quick.cold_ms = 12;
    return __real_map_open(&quick, ret, found, why);
}

/* Only to be handed to medium_of_folder(). */
int weir_state_folder(struct weir_below *b)
{
    return (int)b->number;
}

int medium_of_folder(int folder, struct medium **ret)
{
    char name[16];

    snprintf(name, sizeof name, "state%d", folder);
    *ret = memory_medium(site_source->memory, name);
    return 0;
}

int medium_open(const char *path, struct medium **ret, struct weir_text *why)
{
    (void)path;
    (void)why;
    *ret = memory_medium(site_source->memory, "spill");
    return 0;
}

int weir_state_load(struct weir_below *b, const char *name, void **data, size_t *size)
{
    (void)b;
    (void)name;
    (void)data;
    (void)size;
    return -ENOENT;
}

int weir_state_remove(struct weir_below *b, const char *name)
{
    (void)b;
    (void)name;
    return 0;
}

void weir_report(struct weir_below *b, enum weir_severity severity, const char *format, ...)
{
    va_list arguments;

    if (!getenv("CRASH_VERBOSE"))
        return;
    va_start(arguments, format);
    fprintf(stderr, "# %s %d: ", b->name, severity);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void weir_lock_export(struct weir_below *b, const char *format, ...)
{
    (void)format;
    if (b->source->on_lock)
        b->source->on_lock(b);
    atomic_store(&b->locked, true);
}

void weir_unlock_export(struct weir_below *b)
{
    atomic_store(&b->locked, false);
}

/* ---- a request's way, for one filter
 * ------------------------------------------------------------- */

static bool is_free(const struct weir_below *b, uint64_t offset, uint64_t length)
{
    for (unsigned i = 0; i < HELD_MAX; i++)
        if (b->held[i].taken && offset < b->held[i].offset + b->held[i].length &&
            offset + length > b->held[i].offset)
            return false;
    return true;
}

static unsigned take_range(struct weir_below *b, uint64_t offset, uint64_t length)
{
    unsigned i;

    pthread_mutex_lock(&b->order);
    while (!is_free(b, offset, length))
        pthread_cond_wait(&b->left, &b->order);
    for (i = 0; b->held[i].taken; i++) /* there are fewer guests than places */
        ;
    b->held[i].offset = offset;
    b->held[i].length = length;
    b->held[i].taken = true;
    pthread_mutex_unlock(&b->order);
    return i;
}

static void give_range(struct weir_below *b, unsigned i)
{
    pthread_mutex_lock(&b->order);
    b->held[i].taken = false;
    pthread_cond_broadcast(&b->left);
    pthread_mutex_unlock(&b->order);
}

static int store(struct weir_below *b, const struct weir_request *req)
{
    int r = 0;

    if (req->op == WEIR_WRITE)
        r = file_write(b->file, req->data, req->length, req->offset);
    else if (req->op == WEIR_ZERO || req->op == WEIR_TRIM)
        r = b->file->zero(b->file, req->length, req->offset);
    if (!r && (req->op == WEIR_FLUSH || req->flags & WEIR_FUA))
        r = file_sync(b->file);
    const unsigned lies = atomic_load(&b->source->lies);
    static _Thread_local uint64_t chance = 1;
    if (lies && req->op != WEIR_FLUSH && memory_chance(&chance) % lies == 0)
        r = -EIO;
    return -r;
}

static enum weir_verdict ask(struct request *r,
                             enum weir_verdict (*fn)(void *, struct weir_request *))
{
    enum weir_verdict v = fn(r->below->self, &r->pub);

    if (v != WEIR_DEFER)
        return v;
    sem_wait(&r->resumed);
    return r->verdict;
}

static int run(struct request *r)
{
    if (atomic_load(&r->below->locked))
        return EIO;
    if (ask(r, weir_filter.down) == WEIR_FAIL)
        return r->pub.error;
    r->pub.error = store(r->below, &r->pub);
    enum weir_verdict v = ask(r, weir_filter.up);
    return v == WEIR_FAIL ? r->pub.error : v == WEIR_COMPLETE ? 0 : r->pub.error;
}

int source_request(struct source *s, unsigned disk, enum weir_op op, void *data, uint64_t length,
                   uint64_t offset, bool fua)
{
    struct weir_below *b = &s->disk[disk];
    struct request r = {
        .pub = { .op = op,
                 .flags = fua ? WEIR_FUA : 0,
                 .offset = offset,
                 .length = length,
                 .data = data },
        .below = b,
        .scratch = calloc(1, weir_filter.request_size),
    };
    unsigned range = op == WEIR_FLUSH ? 0 : take_range(b, offset, length);

    sem_init(&r.resumed, 0, 0);
    int error = run(&r);
    if (op != WEIR_FLUSH)
        give_range(b, range);
    sem_destroy(&r.resumed);
    free(r.scratch);
    return error;
}
