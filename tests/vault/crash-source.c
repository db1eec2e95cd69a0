/* crash-source.c - what would the disks of a source be at any LSN, and what does it send?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash-source.h"

#include "medium-memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MODEL_DISKS] = { "data", "wal" };

uint32_t model_chance(struct model *m, uint32_t below)
{
    return (uint32_t)((memory_chance(&m->chance) >> 32) * below >> 32);
}

void model_create(struct model *m, uint64_t seed)
{
    *m = (struct model){ .chance = seed,
                         .lineage = { .count = 1, .list = { { .id = 7 } } },
                         .source = { .generation = 7 },
                         .anew = true };
    memset(m->source.group, 0x31, sizeof(m->source.group));
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        m->disk[i] = calloc(1, MODEL_SIZE);
        m->then[i] = calloc(1, MODEL_SIZE);
    }
}

void model_copy(struct model *m, const struct model *from)
{
    *m = *from;
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        m->disk[i] = malloc(MODEL_SIZE);
        memcpy(m->disk[i], from->disk[i], MODEL_SIZE);
        m->then[i] = malloc(MODEL_SIZE);
        memcpy(m->then[i], from->then[i], MODEL_SIZE);
    }
}

void model_destroy(struct model *m)
{
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        free(m->disk[i]);
        free(m->then[i]);
    }
}

/* ---- states -----------------------------------------------------------------------------------
 */

/* Its bytes say which it was. */
static void do_op(uint8_t *disk, const struct model_op *op)
{
    const uint64_t word = op->lsn * 0x9e3779b97f4a7c15u;

    if (op->zero)
        memset(disk + op->offset, 0, op->length);
    else if (!op->copy)
        for (uint32_t i = 0; i < op->length; i += 8)
            memcpy(disk + op->offset + i, &word, 8);
}

const uint8_t *model_state(struct model *m, unsigned disk, uint64_t lsn)
{
    if (lsn < m->then_lsn) {
        m->then_ops = 0;
        for (unsigned i = 0; i < MODEL_DISKS; i++)
            memset(m->then[i], 0, MODEL_SIZE);
    }
    for (; m->then_ops < m->ops && m->op[m->then_ops].lsn <= lsn; m->then_ops++)
        do_op(m->then[m->op[m->then_ops].disk], &m->op[m->then_ops]);
    m->then_lsn = lsn;
    return m->then[disk];
}

/* ---- writes -----------------------------------------------------------------------------------
 */

static struct model_op *remember(struct model *m, struct model_op op)
{
    if (m->ops == MODEL_OPS)
        abort();
    m->op[m->ops] = op;
    return &m->op[m->ops++];
}

static struct model_op some_op(struct model *m)
{
    struct model_op op = { .disk = model_chance(m, MODEL_DISKS), .zero = model_chance(m, 4) == 0 };
    const uint32_t unit = model_chance(m, 4) ? 4096 : 512;
    const uint32_t most = model_chance(m, 4) ? 4 : 24;

    op.length = (1 + model_chance(m, most)) * unit;
    op.offset = model_chance(m, (MODEL_SIZE - op.length) / unit + 1) * unit;
    return op;
}

static bool *granules_of(struct model *m, const struct model_op *op, unsigned *from, unsigned *to)
{
    *from = op->offset / MAP_GRANULE;
    *to = (op->offset + op->length - 1) / MAP_GRANULE;
    return m->dirty[op->disk];
}

static void mark_dirty(struct model *m, const struct model_op *op)
{
    unsigned from, to;
    bool *dirty = granules_of(m, op, &from, &to);

    for (; from <= to; from++)
        dirty[from] = true;
}

static bool any_dirty(struct model *m, const struct model_op *op)
{
    unsigned from, to;
    bool *dirty = granules_of(m, op, &from, &to), any = false;

    for (; from <= to; from++)
        any |= dirty[from];
    return any;
}

void model_run_ahead(struct model *m)
{
    for (unsigned n = 1 + model_chance(m, 4); n; n--) {
        struct model_op op = some_op(m);
        op.lsn = ++m->source.lsn;
        do_op(m->disk[op.disk], remember(m, op));
        mark_dirty(m, &op);
    }
}

/* A guest's: sent, unless a granule of it is to be copied anyway. */
static void write_one(struct model *m)
{
    struct model_op op = some_op(m);

    op.lsn = m->source.lsn + 1;
    if (any_dirty(m, &op)) {
        m->source.lsn++;
        mark_dirty(m, &op);
        do_op(m->disk[op.disk], remember(m, op));
        return;
    }
    do_op(m->disk[op.disk], remember(m, op));
    if (op.zero)
        source_zero(&m->source, op.disk, op.offset, op.length);
    else
        source_write(&m->source, op.disk, op.offset, m->disk[op.disk] + op.offset, op.length);
}

static bool copy_one(struct model *m)
{
    for (unsigned i = 0; i < MODEL_DISKS * MODEL_GRANULES; i++) {
        const unsigned disk = i / MODEL_GRANULES, granule = i % MODEL_GRANULES;
        if (!m->dirty[disk][granule])
            continue;
        struct model_op op = { .disk = disk, .offset = granule * MAP_GRANULE, .copy = true };
        op.length = op.offset + MAP_GRANULE > MODEL_SIZE ? MODEL_SIZE - op.offset : MAP_GRANULE;
        op.lsn = m->source.lsn + 1;
        source_write(&m->source, disk, op.offset, m->disk[disk] + op.offset, op.length);
        remember(m, op);
        m->dirty[disk][granule] = false;
        return true;
    }
    return false;
}

bool model_is_dirty(const struct model *m)
{
    for (unsigned i = 0; i < MODEL_DISKS * MODEL_GRANULES; i++)
        if (m->dirty[i / MODEL_GRANULES][i % MODEL_GRANULES])
            return true;
    return false;
}

static void verify_one(struct model *m)
{
    struct model_op op = some_op(m);

    if (!any_dirty(m, &op))
        source_verify(&m->source, op.disk, op.offset, op.length,
                      digest_of(m->disk[op.disk] + op.offset, op.length));
}

static void mark_one(struct model *m)
{
    char name[16];

    m->mark = (m->mark + 1) % 64;
    snprintf(name, sizeof(name), "m%u", m->mark);
    source_mark(&m->source, name);
    m->marked[m->mark] = m->source.lsn;
}

struct sent model_frame(struct model *m)
{
    source_begin(&m->source, 0);
    if (m->anew)
        for (unsigned i = 0; i < MODEL_DISKS; i++)
            source_disk(&m->source, i, names[i], MODEL_SIZE);
    m->anew = false;
    for (unsigned n = 1 + model_chance(m, 3); n; n--)
        write_one(m);
    for (unsigned n = model_chance(m, 4); n; n--)
        copy_one(m);
    if (model_chance(m, 3) == 0)
        verify_one(m);
    if (!model_is_dirty(m) && model_chance(m, 3) == 0)
        mark_one(m);
    if (!m->source.draft.frame.records) /* all that was written is dirty */
        copy_one(m);
    if (model_is_dirty(m))
        m->source.draft.frame.flags |= FRAME_PART;
    return source_finish(&m->source);
}

/* ---- after a pause ----------------------------------------------------------------------------
 */

void model_resume(struct model *m, struct group *g)
{
    struct status s;
    uint8_t bits[(MODEL_GRANULES + 7) / 8];

    group_status(g, &s);
    m->source.token = s.token;
    m->source.generation = m->lineage.list[0].id;
    m->source.end = (struct log_end){ s.end, s.last_position, s.last_digest, s.received_lsn };
    m->anew = !s.complete_lsn;
    for (unsigned i = m->ops; i-- && m->op[i].lsn > s.received_lsn;)
        mark_dirty(m, &m->op[i]);
    for (unsigned disk = 0; disk < MODEL_DISKS; disk++) {
        group_needs(g, disk, bits, sizeof(bits), 0);
        for (unsigned i = 0; i < MODEL_GRANULES; i++)
            m->dirty[disk][i] |= m->anew || bits[i / 8] >> i % 8 & 1;
    }
}
