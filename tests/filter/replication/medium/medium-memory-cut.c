/* medium-memory-cut.c - what may a crash leave of what was done?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium-memory.h"

#include "memory-state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory *memory_create(void)
{
    struct memory *m = memory_must(calloc(1, sizeof(*m)));

    pthread_mutex_init(&m->lock, NULL);
    m->room = UINT64_MAX;
    return m;
}

void memory_destroy(struct memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->ops; i++) {
        free(m->op[i].data);
        free(m->op[i].name);
        free(m->op[i].new);
    }
    for (unsigned i = 0; i < m->folders; i++)
        free(m->folder[i]);
    state_finish(&m->now);
    state_finish(&m->base);
    state_finish(&m->durable);
    free(m->op);
    free(m->pending);
    free(m->taken);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* ---- what has happened ---------------------------------------------------------------------- */

void memory_record(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    assert(!m->records);
    m->records = true;
    state_copy(&m->base, &m->now);
    state_copy(&m->durable, &m->now);
    pthread_mutex_unlock(&m->lock);
}

size_t memory_ops(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    const size_t n = m->ops;
    pthread_mutex_unlock(&m->lock);
    return n;
}

enum memory_kind memory_op_kind(struct memory *m, size_t op)
{
    pthread_mutex_lock(&m->lock);
    assert(op < m->ops);
    const enum memory_kind kind = m->op[op].kind;
    pthread_mutex_unlock(&m->lock);
    return kind;
}

void memory_op_text(struct memory *m, size_t op, char *text, size_t size)
{
    static const char *const word[] = {
        [MEMORY_WRITE] = "write",   [MEMORY_ZERO] = "zero",        [MEMORY_TRUNCATE] = "truncate",
        [MEMORY_SYNC] = "sync",     [MEMORY_SYNC_FAILED] = "fail", [MEMORY_MAKE] = "make",
        [MEMORY_REMOVE] = "remove", [MEMORY_RENAME] = "rename",    [MEMORY_SYNC_NAMES] = "names",
    };

    pthread_mutex_lock(&m->lock);
    assert(op < m->ops);
    const struct op *o = &m->op[op];
    int n = snprintf(text, size, "%s %s/%s", word[o->kind], m->folder[o->folder], o->name);
    if (n >= 0 && (size_t)n < size && o->new)
        snprintf(text + n, size - (size_t)n, " %s", o->new);
    else if (n >= 0 && (size_t)n < size && (o->offset || o->length))
        snprintf(text + n, size - (size_t)n, " +%llu %llu", (unsigned long long)o->offset,
                 (unsigned long long)o->length);
    pthread_mutex_unlock(&m->lock);
}

/* ---- crashes -------------------------------------------------------------------------------- */

uint64_t memory_chance(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Is `op` what that sync was to make durable? */
static bool covers(const struct op *sync, const struct op *op)
{
    if (sync->kind == MEMORY_SYNC_NAMES)
        return op_names(op) && op->folder == sync->folder;
    return !op_names(op) && op->file == sync->file;
}

/* Takes what `sync` covers out of `pending`: it is durable, or, of a sync that failed, lost by a
 * chance that is the same each time. */
static void settle(struct memory *m, const struct op *sync, size_t number)
{
    uint64_t chance = number;
    size_t kept = 0;

    for (size_t i = 0; i < m->pendings; i++) {
        const struct op *op = &m->op[m->pending[i]];
        if (!covers(sync, op)) {
            m->pending[kept++] = m->pending[i];
        } else if (sync->kind == MEMORY_SYNC_FAILED) {
            if (memory_chance(&chance) & 1)
                m->pending[kept++] = m->pending[i];
        } else {
            state_apply(&m->durable, op);
        }
    }
    m->pendings = kept;
}

/* Under the lock: `durable` and `pending` are those after the first `ops`. */
static void advance(struct memory *m, size_t ops)
{
    if (ops < m->cut_ops) {
        state_finish(&m->durable);
        state_copy(&m->durable, &m->base);
        m->cut_ops = m->pendings = 0;
    }
    for (; m->cut_ops < ops; m->cut_ops++) {
        const struct op *op = &m->op[m->cut_ops];
        switch (op->kind) {
        case MEMORY_SYNC:
        case MEMORY_SYNC_FAILED:
        case MEMORY_SYNC_NAMES:
            settle(m, op, m->cut_ops);
            continue;
        default:
            break;
        }
        if (m->pendings == m->pending_size) {
            m->pending_size = m->pending_size ? 2 * m->pending_size : 64;
            m->pending = memory_must(realloc(m->pending, m->pending_size * sizeof(size_t)));
        }
        m->pending[m->pendings++] = m->cut_ops;
    }
}

static void tear_write(struct state *s, const struct op *op, uint64_t *seed)
{
    struct image **file = state_file(s, op->file);

    for (size_t at = 0; at < op->length; at += SECTOR_SIZE) {
        const size_t n = op->length - at < SECTOR_SIZE ? op->length - at : SECTOR_SIZE;
        if (memory_chance(seed) & 1)
            image_write(file, (const uint8_t *)op->data + at, n, op->offset + at);
    }
    if (op->offset + op->length > image_size(*file) && memory_chance(seed) & 1)
        image_truncate(file, op->offset + op->length);
}

/* Its middle, its beginning, or its end. */
static void tear_zero(struct state *s, const struct op *op, uint64_t *seed)
{
    const uint64_t sectors = op->length / SECTOR_SIZE + 1;
    uint64_t from = memory_chance(seed) % sectors * SECTOR_SIZE;
    uint64_t to = memory_chance(seed) % (sectors + 1) * SECTOR_SIZE;

    if (to > op->length)
        to = op->length;
    if (from < to)
        image_zero(state_file(s, op->file), to - from, op->offset + from);
}

static void perhaps(struct state *s, const struct op *op, enum memory_loss loss, uint64_t odds,
                    uint64_t *seed)
{
    if (loss == MEMORY_ALL || memory_chance(seed) % 8 < odds)
        state_apply(s, op);
    else if (loss == MEMORY_TORN && op->kind == MEMORY_WRITE)
        tear_write(s, op, seed);
    else if (loss == MEMORY_TORN && op->kind == MEMORY_ZERO)
        tear_zero(s, op, seed);
}

/* The files that have a name are there; what has none is as good as gone. */
static void name_files(struct state *to, const struct state *from)
{
    for (unsigned f = 0; f < FOLDERS; f++)
        for (size_t i = 0; i < to->folder[f].entries; i++) {
            const long file = to->folder[f].entry[i].file;
            struct image **image = state_file(to, file);
            if ((size_t)file >= from->files || !from->file[file])
                continue;
            image_release(*image);
            *image = image_share(from->file[file]);
        }
}

static struct memory *create_like(struct memory *m)
{
    struct memory *new = memory_create();

    new->folders = m->folders;
    for (unsigned i = 0; i < m->folders; i++)
        new->folder[i] = memory_must(strdup(m->folder[i]));
    return new;
}

struct memory *memory_cut(struct memory *m, size_t ops, enum memory_loss loss, uint64_t seed)
{
    static const uint64_t odds[] = { 1, 4, 7 }; /* of 8: little, half, nearly all of it is there */
    const uint64_t odd = odds[memory_chance(&seed) % 3];

    pthread_mutex_lock(&m->lock);
    assert(m->records && ops <= m->ops);
    advance(m, ops);
    struct memory *cut = create_like(m);
    struct state *s = &cut->now;
    state_copy_names(s, &m->durable);
    for (size_t i = 0; i < m->pendings && loss != MEMORY_SYNCED; i++)
        if (op_names(&m->op[m->pending[i]]))
            perhaps(s, &m->op[m->pending[i]], loss, odd, &seed);
    name_files(s, &m->durable);
    for (size_t i = 0; i < m->pendings && loss != MEMORY_SYNCED; i++) {
        const struct op *op = &m->op[m->pending[i]];
        if (!op_names(op) && (size_t)op->file < s->files && s->file[op->file])
            perhaps(s, op, loss, odd, &seed);
    }
    pthread_mutex_unlock(&m->lock);
    return cut;
}

struct memory *memory_copy(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    struct memory *copy = create_like(m);
    state_copy(&copy->now, &m->now);
    pthread_mutex_unlock(&m->lock);
    return copy;
}
