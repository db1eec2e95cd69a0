/* index-run.c - how is a run of the index opened and read?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "scope.h"

enum { AHEAD = 16 }; /* leaves that a cursor without a cache reads at once */

/* ---- a run ------------------------------------------------------------------------- */

struct run *run_create(unsigned level, uint64_t from, uint64_t to)
{
    static _Atomic uint64_t ids; /* of all indexes of the process: none is given twice */
    struct run *run = calloc(1, sizeof *run);

    if (!run)
        return NULL;
    atomic_init(&run->users, 1);
    run->level = level;
    run->from = from;
    run->to = to;
    run->id = atomic_fetch_add(&ids, 1) + 1;
    return run;
}

struct run *run_hold(struct run *run)
{
    atomic_fetch_add(&run->users, 1);
    return run;
}

void run_put(struct run *run)
{
    if (!run || atomic_fetch_sub(&run->users, 1) != 1)
        return;
    free(run->entries);
    free(run);
}

void run_facts_add(struct run_facts *f, const struct frame *frame)
{
    if (!f->arrived) {
        f->first = frame->position;
        f->first_lsn = frame->first_lsn;
    }
    f->last_lsn = frame->last_lsn;
    f->time = frame->time;
    f->arrived = wall_ns();
}

void run_name(const struct run *run, char out[RUN_NAME])
{
    snprintf(out, RUN_NAME, "run.%016" PRIx64 "-%016" PRIx64, run->from, run->to);
}

/* Beside runs lie the images of disks, whose names are what sources like ("run.1-2.head"): what is
 * not exactly a name of ours is nobody's to remove. */
int run_parse(const char *name, unsigned *level, uint64_t *from, uint64_t *to)
{
    struct run named = { 0 };
    char again[RUN_NAME];

    if (sscanf(name, "run.%16" SCNx64 "-%16" SCNx64, from, to) != 2)
        return 0;
    named.from = *from;
    named.to = *to;
    run_name(&named, again);
    const size_t length = strlen(again);
    if (strncmp(name, again, length) != 0)
        return 0;
    if (name[length])
        return strcmp(name + length, RUN_DRAFT) == 0 ? -1 : 0;
    for (*level = 0; *level < LEVELS; (*level)++)
        if (*to - *from == level_span(*level) && *from % level_span(*level) == 0)
            return 1;
    return -1;
}

/* ---- a source ---------------------------------------------------------------------- */

/* The header and, before it, the root: one read. */
static int read_end(struct source *s)
{
    uint8_t end[2 * BLOCK];
    struct run_header h;
    uint64_t size;
    uint32_t count;
    int r = s->file->size(s->file, &size);

    if (r)
        return r;
    if (size < BLOCK || size % BLOCK || size / BLOCK > UINT32_MAX)
        return -EBADMSG;
    const uint32_t blocks = (uint32_t)(size / BLOCK);
    const size_t length = blocks > 1 ? sizeof end : BLOCK;
    if ((r = file_read(s->file, end, length, size - length)))
        return r;
    const uint8_t *header = end + length - BLOCK;
    if (block_check(header, BLOCK_HEADER, blocks - 1, &count) || header_get(header, &h) ||
        h.from != s->run->from || h.to != s->run->to || h.leaves >= blocks ||
        (h.leaves && h.root_number != blocks - 2) || h.height > 8)
        return -EBADMSG;
    s->leaves = h.leaves;
    s->height = h.height;
    s->entries = h.entries;
    s->root_number = h.root_number;
    if (h.leaves) {
        if (block_check(end, h.height ? BLOCK_INNER : BLOCK_LEAF, h.root_number, &count) || !count)
            return -EBADMSG;
        if (!(s->root = malloc(BLOCK)))
            return -ENOMEM;
        memcpy(s->root, end, BLOCK);
    }
    s->facts = h.facts;
    unsigned unknown = 0; /* one alone of those that read it at once writes it down */
    if (atomic_compare_exchange_strong(&s->run->known, &unknown, 1)) {
        s->run->facts = h.facts;
        atomic_store(&s->run->known, 2);
    }
    return 0;
}

int source_open(struct source *s, struct medium *m, struct run *run)
{
    char name[RUN_NAME];

    *s = (struct source){ .run = run_hold(run), .entries = run->count };
    if (run->in_memory) {
        s->facts = run->facts;
        return 0;
    }
    run_name(run, name);
    int r = m->open(m, name, MEDIUM_READ_ONLY, &s->file);
    if (r)
        s->file = NULL;
    else
        r = read_end(s);
    if (r)
        source_close(s);
    return r;
}

void source_close(struct source *s)
{
    if (s->file)
        s->file->close(s->file);
    free(s->root);
    run_put(s->run);
    s->root = NULL;
    s->file = NULL;
    s->run = NULL;
}

/* ---- a cursor ---------------------------------------------------------------------- */

/* One block, through the cache if there is one; *ret is to be put. */
static int read_block(struct cursor *c, unsigned kind, uint32_t number, struct block **ret,
                      uint32_t *count)
{
    struct block *b = c->cache ? cache_find(c->cache, c->source->run->id, number) : NULL;
    int r;

    if (b) { /* it was checked when it was read */
        *ret = b;
        *count = block_count(b->bytes);
        return 0;
    }
    if (!(b = malloc(sizeof *b)))
        return -ENOMEM;
    atomic_init(&b->users, 1);
    b->run = c->source->run->id;
    b->number = number;
    r = file_read(c->source->file, b->bytes, BLOCK, (uint64_t)number * BLOCK);
    if (!r)
        r = block_check(b->bytes, kind, number, count);
    if (r) {
        block_put(b);
        return r;
    }
    if (c->cache)
        cache_keep(c->cache, b);
    *ret = b;
    return 0;
}

/* The leaf becomes the cursor's present one. */
static int load_leaf(struct cursor *c, uint32_t leaf)
{
    const struct source *s = c->source;
    int r;

    block_put(c->block);
    c->block = NULL;
    c->leaf = leaf;
    if (!s->height) {
        c->bytes = s->root;
        return block_check(s->root, BLOCK_LEAF, s->root_number, &c->in_leaf);
    }
    if (c->cache) {
        r = read_block(c, BLOCK_LEAF, leaf, &c->block, &c->in_leaf);
        c->bytes = r ? NULL : c->block->bytes;
        return r;
    }
    if (!c->ahead && !(c->ahead = malloc((size_t)AHEAD * BLOCK)))
        return -ENOMEM;
    if (leaf < c->ahead_first || leaf - c->ahead_first >= c->ahead_count) {
        const uint32_t n = s->leaves - leaf < AHEAD ? s->leaves - leaf : AHEAD;
        c->ahead_count = 0;
        if ((r = file_read(s->file, c->ahead, (size_t)n * BLOCK, (uint64_t)leaf * BLOCK)))
            return r;
        c->ahead_first = leaf;
        c->ahead_count = n;
    }
    c->bytes = c->ahead + (size_t)(leaf - c->ahead_first) * BLOCK;
    return block_check(c->bytes, BLOCK_LEAF, leaf, &c->in_leaf);
}

/* The number of the last of `count` places that is not behind `place`; 0 if all are. */
static uint32_t last_not_behind(uint64_t (*at)(const uint8_t *, unsigned), const uint8_t *bytes,
                                uint32_t count, uint64_t place)
{
    uint32_t low = 0, high = count;

    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (at(bytes, middle) <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Down the tree to the leaf in which `place` would be. */
static int find_leaf(struct cursor *c, uint64_t place, uint32_t *leaf)
{
    const struct source *s = c->source;
    const uint8_t *bytes = s->root;
    struct block *held = NULL;
    uint32_t number = 0, count = block_count(s->root);
    int r = 0;

    for (unsigned depth = s->height; depth; depth--) {
        struct block *next;
        number = inner_child(bytes) + last_not_behind(inner_place, bytes, count, place);
        if (depth == 1)
            break;
        if ((r = read_block(c, BLOCK_INNER, number, &next, &count)))
            break;
        block_put(held);
        held = next;
        bytes = held->bytes;
    }
    block_put(held);
    if (!r && number >= s->leaves)
        r = -EBADMSG;
    *leaf = number;
    return r;
}

static void reach_in_memory(struct cursor *c, uint64_t place)
{
    const struct run *run = c->source->run;
    size_t low = c->index, high = run->count;

    /* near by first: who goes through all goes on by one */
    for (unsigned i = 0; i < 4 && low < high && entry_end(&run->entries[low]) <= place; i++)
        low++;
    if (low < high && entry_end(&run->entries[low]) <= place)
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (entry_end(&run->entries[middle]) <= place)
                low = middle + 1;
            else
                high = middle;
        }
    c->index = low;
    if (low == run->count)
        c->ended = true;
    else
        c->now = run->entries[low];
}

/* The leaf that has the last entry that begins at or before `place`. */
static int reach_leaf(struct cursor *c, uint64_t place)
{
    const struct source *s = c->source;
    struct entry last;
    uint32_t leaf;
    int r;

    if (c->begun) {
        leaf_get(c->bytes, c->in_leaf - 1, &last, s->run->from);
        if (entry_end(&last) > place)
            return 0;
    }
    if (c->begun && !c->cache && c->leaf + 1 < s->leaves) { /* who goes through all goes on there */
        if ((r = load_leaf(c, c->leaf + 1)) || leaf_place(c->bytes, c->in_leaf - 1) > place)
            return r;
    }
    r = find_leaf(c, place, &leaf);
    if (!r && (!c->begun || leaf != c->leaf))
        r = load_leaf(c, leaf);
    return r;
}

static int reach_in_file(struct cursor *c, uint64_t place)
{
    int r = reach_leaf(c, place);

    if (r)
        return r;
    uint32_t i = last_not_behind(leaf_place, c->bytes, c->in_leaf, place);
    for (;; i++) {
        if (i == c->in_leaf) {
            if (c->leaf + 1 >= c->source->leaves) {
                c->ended = true;
                return 0;
            }
            if ((r = load_leaf(c, c->leaf + 1)))
                return r;
            i = 0;
        }
        leaf_get(c->bytes, i, &c->now, c->source->run->from);
        if (entry_end(&c->now) > place)
            return 0;
    }
}

int cursor_reach(struct cursor *c, uint64_t place)
{
    int r = 0;

    if (c->ended || (c->begun && entry_end(&c->now) > place))
        return 0;
    if (!c->source->file)
        reach_in_memory(c, place);
    else if (c->source->leaves)
        r = reach_in_file(c, place);
    else
        c->ended = true;
    c->begun = true;
    return r;
}

void cursor_finish(struct cursor *c)
{
    block_put(c->block);
    free(c->ahead);
    c->block = NULL;
    c->ahead = NULL;
}
