/* world.c - which histories can a server make?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "ledger-block.h"

static uint64_t state; /* of the random numbers, which one test at a time draws */

void world_seed(uint64_t seed)
{
    state = seed * 2 + 1;
    for (int i = 0; i < 8; i++)
        world_random(2);
}

uint64_t world_random(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1du >> 11) % below;
}

static bool chance(double p)
{
    return (double)world_random(1u << 30) < p * (1u << 30);
}

static void *must(void *allocated)
{
    if (!allocated)
        abort();
    return allocated;
}

uint64_t world_blocks(const struct world *w)
{
    return (uint64_t)w->form.disks * w->form.blocks;
}

/* ---- making one ------------------------------------------------------------------------------ */

/* What is under way. */
struct under_way {
    uint32_t op;
    uint64_t done; /* blocks */
    bool finished, refused;
};

struct making {
    struct world *w;
    struct under_way *list;
    unsigned count, items;
};

static void add_step(struct world *w, uint32_t op, uint64_t at, uint64_t count)
{
    const struct operation *o = &w->history.op[op];

    w->step[w->steps++] = (struct step){
        .op = op,
        .first = (uint64_t)o->disk * w->form.blocks + o->offset / LEDGER_BLOCK + at,
        .count = count,
    };
}

static void send_one(struct making *m)
{
    struct world *w = m->w;
    const struct world_form *f = &w->form;
    uint64_t blocks = 1 + world_random(f->longest);
    struct operation op = {
        .sent = ++w->history.moments, .acked = NEVER, .ended = NEVER, .hardened = NEVER
    };

    op.disk = (uint32_t)world_random(f->disks);
    op.kind = chance(f->flush)    ? KIND_FLUSH
              : !chance(f->clear) ? KIND_WRITE
              : world_random(2)   ? KIND_ZERO
                                  : KIND_TRIM;
    op.fua = op.kind != KIND_FLUSH && chance(f->fua);
    if (op.kind != KIND_FLUSH) {
        op.offset = world_random(f->blocks - blocks + 1) * LEDGER_BLOCK;
        op.length = blocks * LEDGER_BLOCK;
    }
    bool refused = op.kind != KIND_FLUSH && chance(f->refused);
    m->items += op.kind == KIND_FLUSH ? 0 : refused ? (unsigned)blocks : 1;
    m->list[m->count++] = (struct under_way){ .op = (uint32_t)w->history.ops, .refused = refused };
    if (!history_add(&w->history, &op))
        abort();
}

/* A refused one does its blocks singly, and perhaps not all. */
static void work(struct making *m, struct under_way *u)
{
    const uint64_t blocks = m->w->history.op[u->op].length / LEDGER_BLOCK;

    if (!u->refused) {
        if (blocks)
            add_step(m->w, u->op, 0, blocks);
        u->finished = true;
        return;
    }
    if (world_random(3))
        add_step(m->w, u->op, u->done, 1);
    u->finished = ++u->done == blocks;
}

static void answer(struct making *m, unsigned i)
{
    struct under_way u = m->list[i];
    struct operation *op = &m->w->history.op[u.op];

    m->list[i] = m->list[--m->count];
    if (!u.refused && chance(m->w->form.unknown)) /* its connection was lost */
        return;
    op->ended = ++m->w->history.moments;
    if (u.refused)
        op->torn = true;
    else
        op->acked = op->ended;
}

void world_make(struct world *w, const struct world_form *form)
{
    struct making m = { .w = w };

    *w = (struct world){ .form = *form, .by = NEVER };
    w->history.disks = form->disks;
    w->history.run = world_random(UINT64_MAX);
    for (unsigned i = 0; i < form->disks; i++) {
        w->history.disk[i].name = must(strdup("made-up"));
        w->history.disk[i].size = (uint64_t)form->blocks * LEDGER_BLOCK;
    }
    w->initial = must(calloc(world_blocks(w), sizeof *w->initial));
    for (uint64_t b = 0; b < world_blocks(w); b++)
        w->initial[b] = chance(form->initial);
    w->step = must(calloc((size_t)form->ops * form->longest + 1, sizeof *w->step));
    m.list = must(calloc(form->depth, sizeof *m.list));
    w->history.moments = form->disks; /* their lines come first */
    while (m.count || w->history.ops < form->ops) {
        unsigned i = (unsigned)world_random(m.count + 1);
        bool more = w->history.ops < form->ops && m.count < form->depth;
        if (form->items && m.items + form->longest > form->items)
            more = false;
        if (i < m.count && !m.list[i].finished)
            work(&m, &m.list[i]);
        else if (i < m.count)
            answer(&m, i);
        else if (more)
            send_one(&m);
        else if (!m.count)
            break;
    }
    free(m.list);
    history_harden(&w->history);
}

void world_free(struct world *w)
{
    history_free(&w->history);
    free(w->initial);
    free(w->step);
}

/* ---- what it leaves
 * -------------------------------------------------------------------------------- */

void world_step(const struct world *w, const struct step *step, uint32_t *seen)
{
    for (uint64_t b = step->first; b < step->first + step->count; b++)
        if (w->history.op[step->op].kind == KIND_WRITE)
            seen[b] = step->op + 1;
        else
            seen[b] = w->initial[b] ? SEEN_CLEARED : SEEN_ZERO;
}

void world_image(const struct world *w, size_t count, uint32_t without, uint32_t *seen)
{
    for (uint64_t b = 0; b < world_blocks(w); b++)
        seen[b] = w->initial[b] ? SEEN_INITIAL : SEEN_ZERO;
    for (size_t i = 0; i < count; i++)
        if (w->step[i].op != without)
            world_step(w, &w->step[i], seen);
}

bool world_judge(const struct world *w, const uint32_t *seen, enum demand demand, struct cut *cut)
{
    struct cut_question question = { .history = &w->history, .demand = demand, .by = w->by };

    for (unsigned i = 0; i < w->form.disks; i++)
        question.seen[i] = seen + (size_t)i * w->form.blocks;
    if (cut_judge(&question, cut) < 0)
        abort();
    return cut->legal;
}
