/* world-oracle.c - which bytes are legal, if everything is tried?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * From the beginning, not from the end as cut.c does: do any operation that may come next, in all
 * ways, and write down each image that is passed.  An operation may come next when all that had
 * ended before it was sent are decided; whoever was acknowledged is decided by being done. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "ledger-block.h"

enum { ITEMS = 14, BITS = 4, INITIAL = 15, CLEARED = 14 };

struct item {
    uint64_t sent, ended;
    bool acked, demanded, hardened;
    uint64_t first, count;
    uint32_t value; /* 0: clears */
};

/* A set of states, and of images with what is known of each. */
struct entry {
    uint64_t image;
    uint32_t decided, done; /* of a state */
    bool used, legal[3];    /* of an image, by demand */
    unsigned lost;
};
struct set {
    struct entry *entry;
    size_t used, room; /* room: a power of two */
};

struct oracle {
    const struct world *w;
    struct item item[ITEMS];
    unsigned items;
    uint64_t initial;
    struct set states, images;
};

static void *must(void *allocated)
{
    if (!allocated)
        abort();
    return allocated;
}

/* The entry of that name, a new one where there was none. */
static struct entry *find(struct set *set, uint64_t image, uint32_t decided, uint32_t done)
{
    if (2 * set->used >= set->room) {
        struct set more = { .room = set->room ? 2 * set->room : 1024 };
        more.entry = must(calloc(more.room, sizeof *more.entry));
        for (size_t i = 0; i < set->room; i++)
            if (set->entry[i].used)
                *find(&more, set->entry[i].image, set->entry[i].decided, set->entry[i].done) =
                    set->entry[i];
        free(set->entry);
        more.used = set->used;
        *set = more;
    }
    uint64_t hash = (image ^ (uint64_t)decided << 17 ^ (uint64_t)done << 40) * 0x9e3779b97f4a7c15u;
    size_t at = hash >> 20 & (set->room - 1);
    for (; set->entry[at].used; at = (at + 1) & (set->room - 1)) {
        struct entry *e = &set->entry[at];
        if (e->image == image && e->decided == decided && e->done == done)
            return e;
    }
    return &set->entry[at];
}

static uint64_t put(uint64_t image, uint64_t block, uint64_t value)
{
    return (image & ~((uint64_t)INITIAL << block * BITS)) | value << block * BITS;
}

static uint64_t apply(const struct oracle *o, const struct item *item, uint64_t image)
{
    for (uint64_t b = item->first; b < item->first + item->count; b++)
        image = put(image, b, item->value ? item->value : o->w->initial[b] ? CLEARED : 0);
    return image;
}

static void note(struct oracle *o, uint64_t image, uint32_t done)
{
    struct entry *e = find(&o->images, image, 0, 0);
    unsigned lost = 0, demanded = 0, hardened = 0;

    for (unsigned i = 0; i < o->items; i++)
        if (!(done & 1u << i)) {
            lost += o->item[i].acked;
            demanded += o->item[i].demanded;
            hardened += o->item[i].hardened;
        }
    o->images.used += !e->used;
    if (!e->used || lost < e->lost)
        e->lost = lost;
    e->used = true;
    e->image = image;
    e->legal[DEMAND_NONE] = true;
    e->legal[DEMAND_HARDENED] |= !hardened;
    e->legal[DEMAND_ACKED] |= !demanded;
}

static void walk(struct oracle *o, uint64_t image, uint32_t decided, uint32_t done)
{
    struct entry *e = find(&o->states, image, decided, done);

    if (e->used)
        return;
    *e = (struct entry){ .image = image, .decided = decided, .done = done, .used = true };
    o->states.used++;
    note(o, image, done);
    for (unsigned i = 0; i < o->items; i++) {
        bool may = !(decided & 1u << i);
        for (unsigned j = 0; j < o->items; j++)
            may = may && (decided & 1u << j || o->item[j].ended >= o->item[i].sent);
        if (!may)
            continue;
        walk(o, apply(o, &o->item[i], image), decided | 1u << i, done | 1u << i);
        if (!o->item[i].acked)
            walk(o, image, decided | 1u << i, done);
    }
}

struct oracle *oracle_make(const struct world *w)
{
    struct oracle *o = must(calloc(1, sizeof *o));

    o->w = w;
    for (size_t i = 0; i < w->history.ops; i++) {
        const struct operation *op = &w->history.op[i];
        uint64_t blocks = op->length / LEDGER_BLOCK, each = op->torn ? 1 : blocks;
        for (uint64_t b = 0; b < blocks; b += each) {
            if (o->items == ITEMS)
                abort();
            o->item[o->items++] = (struct item){
                .sent = op->sent,
                .ended = op->ended,
                .acked = op->acked != NEVER,
                .demanded = op->acked != NEVER && op->acked <= w->by,
                .hardened = op->hardened <= w->by && op->hardened != NEVER,
                .first = (uint64_t)op->disk * w->form.blocks + op->offset / LEDGER_BLOCK + b,
                .count = each,
                .value = op->kind == KIND_WRITE ? (uint32_t)i + 1 : 0,
            };
        }
    }
    for (uint64_t b = 0; b < world_blocks(w); b++)
        o->initial = put(o->initial, b, w->initial[b] ? INITIAL : 0);
    walk(o, o->initial, 0, 0);
    return o;
}

void oracle_free(struct oracle *o)
{
    free(o->states.entry);
    free(o->images.entry);
    free(o);
}

bool oracle_allows(const struct oracle *o, const uint32_t *seen, enum demand demand, unsigned *lost)
{
    uint64_t image = 0;

    for (uint64_t b = 0; b < world_blocks(o->w); b++) {
        if (seen[b] == SEEN_WRONG)
            return false;
        image = put(image, b,
                    seen[b] == SEEN_INITIAL   ? INITIAL
                    : seen[b] == SEEN_CLEARED ? CLEARED
                                              : seen[b]);
    }
    struct set images = o->images; /* find() may make it larger, which nobody wants here */
    const struct entry *e = find(&images, image, 0, 0);
    if (lost)
        *lost = e->lost;
    return e->used && e->legal[demand];
}
