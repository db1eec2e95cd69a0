/* core.c - what do a host, its disks and its power do to the filter?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core.h"

#include "text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_SEGMENTS = 8 };

static void *must(void *allocated)
{
    if (!allocated)
        abort(); /* a test has no use for a way out */
    return allocated;
}

/* ---- what lasts, in one order --------------------------------------------------------- */

static struct moment measure(struct world *w)
{
    struct moment m = { .pool = memory_ops(memory_of(w->pool_media)) };

    for (unsigned i = 0; i < w->disks; i++) {
        m.store[i] = memory_ops(memory_of(w->below[i].store));
        m.kept[i] = w->below[i].kepts;
    }
    return m;
}

/* With the lock: something is about to last. */
static void note_moment(struct world *w)
{
    if (!w->records)
        return;
    if (w->moments == w->moments_size) {
        w->moments_size = w->moments_size ? 2 * w->moments_size : 1024;
        w->moment = must(realloc(w->moment, w->moments_size * sizeof(*w->moment)));
    }
    w->moment[w->moments++] = measure(w);
}

size_t world_moments(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    const size_t n = w->moments;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static void dawdle(const struct world *w)
{
    static atomic_uint calls; /* of all worlds: any is as good */

    if (w->dawdles && atomic_fetch_add(&calls, 1) % 16 == 0)
        usleep(300);
}

static int ordered_write(struct world *w, struct media *m, const struct iovec *iov, int count,
                         uint64_t offset)
{
    dawdle(w);
    if (atomic_load(&w->dead))
        return -EIO;
    if (!w->records)
        return m->write(m, iov, count, offset);
    pthread_mutex_lock(&w->lock);
    note_moment(w);
    int r = m->write(m, iov, count, offset);
    pthread_mutex_unlock(&w->lock);
    return r;
}

static int ordered_sync(struct world *w, struct media *m)
{
    dawdle(w);
    if (atomic_load(&w->dead))
        return -EIO;
    if (!w->records)
        return m->sync(m);
    pthread_mutex_lock(&w->lock);
    note_moment(w);
    int r = m->sync(m);
    pthread_mutex_unlock(&w->lock);
    return r;
}

static void keep_last(struct weir_below *b, const struct kept *now)
{
    struct world *w = b->world;

    if (atomic_load(&w->dead))
        return;
    pthread_mutex_lock(&w->lock);
    note_moment(w);
    b->kept = must(realloc(b->kept, (b->kepts + 1) * sizeof(*b->kept)));
    b->kept[b->kepts++] = *now;
    pthread_mutex_unlock(&w->lock);
}

static struct kept kept_now(struct weir_below *b)
{
    pthread_mutex_lock(&b->world->lock);
    struct kept now = b->kept[b->kepts - 1];
    pthread_mutex_unlock(&b->world->lock);
    return now;
}

/* ---- the pool's medium, which outlives the pool ------------------------------------------ */

struct shim {
    struct media media;
    struct world *world;
};

static int shim_read(struct media *m, void *data, size_t length, uint64_t offset)
{
    return media_read(((struct shim *)m)->world->pool_media, data, length, offset);
}

static int shim_write(struct media *m, const struct iovec *iov, int count, uint64_t offset)
{
    struct world *w = ((struct shim *)m)->world;

    return ordered_write(w, w->pool_media, iov, count, offset);
}

static int shim_sync(struct media *m)
{
    struct world *w = ((struct shim *)m)->world;

    return ordered_sync(w, w->pool_media);
}

static void shim_close(struct media *m)
{
    free(m);
}

/* pools.c finds pools by their path; here the path says which world it is. */
int pool_get(const char *name, const char *path, uint64_t size, struct pool **ret, char why[WHY])
{
    struct world *w;
    int r = 0;

    (void)size;
    if (sscanf(path, "/world/%p", (void **)&w) != 1)
        return -ENOENT;
    if (!w->users) {
        struct shim *s = must(calloc(1, sizeof(*s)));
        s->media =
            (struct media){ shim_read, shim_write, shim_sync, shim_close, w->pool_media->size };
        s->world = w;
        r = pool_open(&s->media, name, path, w->by_hand, &w->pool, why);
        if (r)
            free(s);
    }
    if (r)
        return r;
    w->users++;
    *ret = w->pool;
    return 0;
}

void pool_put(struct pool *p)
{
    struct world *w;

    if (!p || sscanf(p->path, "/world/%p", (void **)&w) != 1)
        return;
    if (--w->users)
        return;
    w->pool = NULL;
    pool_close(p);
}

/* Who changes a running chain and may go back to the old one: nobody here. */
void pools_left(const uint8_t uuid[UUID], bool dirty)
{
    (void)uuid;
    (void)dirty;
}

bool pools_recall(const uint8_t uuid[UUID])
{
    (void)uuid;
    return false;
}

/* ---- what the filter asks of the core ------------------------------------------------------- */

int weir_read(struct weir_below *b, void *data, uint64_t length, uint64_t offset, uint32_t flags)
{
    (void)flags;
    int r = media_read(b->store, data, length, offset);
    if (b->read)
        b->read(b);
    return r;
}

int weir_write(struct weir_below *b, const void *data, uint64_t length, uint64_t offset,
               uint32_t flags)
{
    const struct iovec iov = { (void *)data, length };
    int r = ordered_write(b->world, b->store, &iov, 1, offset);

    return r || !(flags & WEIR_FUA) ? r : ordered_sync(b->world, b->store);
}

int weir_flush(struct weir_below *b, uint32_t flags)
{
    if (flags & WEIR_BACKGROUND && b->world->sulks)
        return -EIO;
    return ordered_sync(b->world, b->store);
}

static int store_zeroes(struct weir_below *b, uint64_t length, uint64_t offset, uint32_t flags)
{
    void *zeroes = must(calloc(1, length));
    int r = weir_write(b, zeroes, length, offset, flags);

    free(zeroes);
    return r;
}

int weir_submit(struct weir_below *b, const struct weir_request *io,
                void (*done)(void *arg, int error), void *arg)
{
    assert(io->op == WEIR_WRITE);
    done(arg, -weir_write(b, io->data, io->length, io->offset, io->flags));
    return 0;
}

const char *weir_export_name(const struct weir_below *b)
{
    return b->number ? "second" : "first";
}

void weir_geometry(const struct weir_below *b, struct weir_geometry *g)
{
    *g = (struct weir_geometry){ .size = b->size,
                                 .block_min = SECTOR,
                                 .block_preferred = BLOCK,
                                 .block_max = 32 << 20,
                                 .ops = WEIR_ALL_OPS };
}

void *weir_own_stats(struct weir_below *b)
{
    return &b->stats;
}

const void *weir_own_config(struct weir_below *b)
{
    return &b->config;
}

int weir_identity(const struct weir_below *b, struct weir_identity *id)
{
    *id = (struct weir_identity){ .changed = 1 + b->changes + memory_ops(memory_of(b->store)) };
    snprintf(id->name, sizeof(id->name), "store %u", b->number);
    return 0;
}

int weir_pool(const struct weir_below *b, const char *name, struct weir_pool *ret)
{
    static _Thread_local char path[64];

    snprintf(path, sizeof(path), "/world/%p", (void *)b->world);
    *ret = (struct weir_pool){ .name = name, .path = path };
    return 0;
}

/* NULL: there is no such file, and no room for one. */
static char *file_of(struct kept *k, const char *name, bool make)
{
    unsigned i = 0;

    while (i < FILES && strcmp(k->file[i].name, name) != 0)
        i++;
    for (unsigned n = 0; i == FILES && make && n < FILES; n++)
        if (!*k->file[n].name) {
            snprintf(k->file[n].name, sizeof(k->file[n].name), "%s", name);
            i = n;
        }
    return i < FILES ? k->file[i].text : NULL;
}

int weir_state_save(struct weir_below *b, const char *name, const void *data, size_t size)
{
    struct kept now = kept_now(b);
    char *text = file_of(&now, name, true);

    if (!text || size >= sizeof(now.file[0].text))
        return -ENOSPC;
    memcpy(text, data, size);
    text[size] = '\0';
    keep_last(b, &now);
    return atomic_load(&b->world->dead) ? -EIO : 0;
}

int weir_state_load(struct weir_below *b, const char *name, void **data, size_t *size)
{
    struct kept now = kept_now(b);
    const char *text = file_of(&now, name, false);

    if (!text)
        return -ENOENT;
    *data = must(strdup(text));
    *size = strlen(text);
    return 0;
}

int weir_state_remove(struct weir_below *b, const char *name)
{
    struct kept now = kept_now(b);

    if (!file_of(&now, name, false))
        return -ENOENT;
    for (unsigned i = 0; i < FILES; i++)
        if (strcmp(now.file[i].name, name) == 0)
            now.file[i].name[0] = '\0';
    keep_last(b, &now);
    return atomic_load(&b->world->dead) ? -EIO : 0;
}

int weir_keep(struct weir_below *b, bool keep)
{
    struct kept now = kept_now(b);

    now.keep = keep;
    keep_last(b, &now);
    return atomic_load(&b->world->dead) ? -EIO : 0;
}

void weir_report(struct weir_below *b, enum weir_severity severity, const char *format, ...)
{
    va_list list;

    pthread_mutex_lock(&b->report_lock);
    va_start(list, format);
    vsnprintf(b->last_report, sizeof(b->last_report), format, list);
    va_end(list);
    b->warnings += severity == WEIR_WARNING;
    b->errors += severity == WEIR_ERROR;
    pthread_mutex_unlock(&b->report_lock);
}

void weir_lock_export(struct weir_below *b, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(b->why_locked, sizeof(b->why_locked), format, list);
    va_end(list);
}

void weir_unlock_export(struct weir_below *b)
{
    b->why_locked[0] = '\0';
}

/* ---- requests ------------------------------------------------------------------------------ */

struct made {
    struct weir_request request;
    struct weir_below *below;
    _Alignas(16) struct cache_use use;
};

void *weir_scratch(struct weir_request *req)
{
    return &((struct made *)req)->use;
}

void *weir_stats(const struct weir_request *req)
{
    return &((const struct made *)req)->below->stats;
}

uint64_t weir_now(const struct weir_request *req)
{
    (void)req;
    return now_ns();
}

static int ask_store(struct weir_below *b, const struct weir_request *q)
{
    switch (q->op) {
    case WEIR_READ:
        return weir_read(b, q->data, q->length, q->offset, q->flags);
    case WEIR_WRITE:
        return weir_write(b, q->data, q->length, q->offset, q->flags);
    case WEIR_TRIM:
    case WEIR_ZERO:
        return store_zeroes(b, q->length, q->offset, q->flags);
    case WEIR_FLUSH:
        return weir_flush(b, q->flags);
    default:
        return 0;
    }
}

int world_ask(struct world *w, unsigned disk, enum weir_op op, void *data, uint64_t length,
              uint64_t offset, uint32_t flags)
{
    struct weir_below *b = &w->below[disk];
    struct made made = {
        .request = { .op = op, .flags = flags, .offset = offset, .length = length, .data = data },
        .below = b,
    };
    struct weir_request *q = &made.request;

    if (*b->why_locked)
        return -EIO;
    switch (weir_filter.down(b->disk, q)) {
    case WEIR_COMPLETE:
        return 0;
    case WEIR_FAIL:
        return -q->error;
    default:
        break;
    }
    q->error = -ask_store(b, q);
    if (weir_filter.up(b->disk, q) == WEIR_COMPLETE)
        q->error = 0;
    return -q->error;
}

void world_apply(struct world *w, unsigned disk)
{
    weir_filter.apply(w->below[disk].disk, &w->below[disk].config);
}

int world_verb(struct world *w, unsigned disk, const char *verb, const char *arguments)
{
    struct weir_text answer = { 0 };
    int r = -ENOENT;

    for (const struct weir_verb *v = cache_verbs; v->name; v++)
        if (strcmp(v->name, verb) == 0)
            r = v->run(w->below[disk].disk, arguments, &answer);
    text_finish(&answer);
    return r;
}

void world_look(struct world *w, unsigned disk, void *data, uint64_t length, uint64_t offset)
{
    if (media_read(w->below[disk].store, data, length, offset))
        abort();
}

/* ---- life ------------------------------------------------------------------------------------ */

int world_attach(struct world *w, unsigned disk, char why[512])
{
    struct weir_below *b = &w->below[disk];
    struct weir_text text = { 0 };

    b->disk = must(calloc(1, weir_filter.self_size));
    b->why_locked[0] = '\0';
    int r = weir_filter.attach(b->disk, b, &b->config, &text);
    snprintf(why, 512, "%s", r && text.text ? text.text : b->disk->why);
    text_finish(&text);
    b->attached = !r;
    if (r) {
        free(b->disk);
        b->disk = NULL;
    }
    return r;
}

void world_detach(struct world *w, unsigned disk)
{
    struct weir_below *b = &w->below[disk];

    if (!b->attached)
        return;
    weir_filter.drain(b->disk, true, NULL);
    weir_filter.detach(b->disk);
    free(b->disk);
    b->disk = NULL;
    b->attached = false;
}

void world_die(struct world *w)
{
    atomic_store(&w->dead, true);
    for (unsigned i = 0; i < w->disks; i++)
        world_detach(w, i);
}

static void begin(struct world *w, bool by_hand, unsigned disks)
{
    memset(w, 0, sizeof(*w));
    w->by_hand = by_hand;
    w->disks = disks;
    pthread_mutex_init(&w->lock, NULL);
    for (unsigned i = 0; i < disks; i++) {
        w->below[i].world = w;
        w->below[i].number = i;
        pthread_mutex_init(&w->below[i].report_lock, NULL);
    }
}

/* Smaller than a plan would have it: a few hundred blocks wrap it. */
static void format_pool(struct media *m, unsigned slots)
{
    struct super s;

    if (super_plan(m->size, 0, &s))
        abort();
    assert(s.log_pages == LOG_SEGMENTS * SEGMENT_PAGES && slots <= s.slots);
    s.slots = slots;
    if (super_format(m, &s))
        abort();
}

void world_create(struct world *w, bool by_hand, unsigned slots, const uint64_t size[WORLD_DISKS],
                  const uint64_t grid[WORLD_DISKS])
{
    begin(w, by_hand, WORLD_DISKS);
    w->pool_media = memory_create(POOL_MIN);
    format_pool(w->pool_media, slots);
    for (unsigned i = 0; i < w->disks; i++) {
        struct weir_below *b = &w->below[i];
        b->size = size[i];
        b->store = memory_create(size[i]);
        b->config = (struct cache_config){
            .pool = "fast",
            .mode = MODE_WRITE_BACK,
            .max = 1,
            .grid = grid[i],
            .destage_delay = 0,
            .dirty_limit = 0.75,
        };
        b->kept = must(calloc(1, sizeof(*b->kept)));
        b->kepts = 1;
    }
}

void world_record(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    memory_record(memory_of(w->pool_media));
    for (unsigned i = 0; i < w->disks; i++)
        memory_record(memory_of(w->below[i].store));
    w->records = true;
    pthread_mutex_unlock(&w->lock);
}

void world_cut(struct world *w, struct world *from, size_t moment, uint64_t seed)
{
    static const enum memory_loss losses[] = { MEMORY_ALL,  MEMORY_SYNCED, MEMORY_SOME,
                                               MEMORY_TORN, MEMORY_SOME,   MEMORY_TORN };
    const struct moment at = moment < from->moments ? from->moment[moment] : measure(from);

    begin(w, true, from->disks);
    w->pool_media = memory_cut(memory_of(from->pool_media), at.pool,
                               losses[memory_chance(&seed) % 6], memory_chance(&seed));
    for (unsigned i = 0; i < w->disks; i++) {
        const struct weir_below *f = &from->below[i];
        struct weir_below *b = &w->below[i];
        b->size = f->size;
        b->changes = f->changes + at.store[i];
        b->config = f->config;
        b->store = memory_cut(memory_of(f->store), at.store[i], losses[memory_chance(&seed) % 6],
                              memory_chance(&seed));
        b->kept = must(calloc(1, sizeof(*b->kept)));
        b->kept[0] = f->kept[at.kept[i] - 1];
        b->kepts = 1;
    }
}

void world_destroy(struct world *w)
{
    world_die(w);
    w->pool_media->close(w->pool_media);
    for (unsigned i = 0; i < w->disks; i++) {
        w->below[i].store->close(w->below[i].store);
        pthread_mutex_destroy(&w->below[i].report_lock);
        free(w->below[i].kept);
    }
    pthread_mutex_destroy(&w->lock);
    free(w->moment);
}
