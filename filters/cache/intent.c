/* intent.c - where may the pool be older than the store?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "intent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct intent *look(const struct intents *s, uint64_t region)
{
    size_t i = key_spread(region) & (s->size - 1);

    while (s->table[i].used && s->table[i].region != region)
        i = (i + 1) & (s->size - 1);
    return &s->table[i];
}

void intents_finish(struct intents *s)
{
    free(s->table);
    memset(s, 0, sizeof(*s));
}

/* A table of `size`, without those that go. */
static int rebuild(struct intents *s, size_t size)
{
    struct intents other = { .size = size };

    other.table = calloc(size, sizeof(*other.table));
    if (!other.table)
        return -ENOMEM;
    for (size_t i = 0; i < s->size; i++)
        if (s->table[i].used && !s->table[i].goes) {
            *look(&other, s->table[i].region) = s->table[i];
            other.count++;
        }
    free(s->table);
    *s = other;
    return 0;
}

int intents_reserve(struct intents *s, size_t more)
{
    size_t size = s->size ? s->size : 64;

    while (size < 2 * (s->count + more))
        size *= 2;
    return size == s->size ? 0 : rebuild(s, size);
}

bool intents_begin(struct intents *s, uint64_t region)
{
    struct intent *i = look(s, region);

    if (!i->used) {
        *i = (struct intent){ .region = region, .used = true };
        s->count++;
    }
    i->writing++;
    i->fresh = true;
    return !i->marked;
}

void intents_marked(struct intents *s, uint64_t region)
{
    struct intent *i = look(s, region);

    i->marked = i->used;
}

void intents_end(struct intents *s, uint64_t region)
{
    struct intent *i = look(s, region);

    i->writing--;
    i->fresh = true;
}

void intents_turn(struct intents *s)
{
    for (size_t i = 0; i < s->size; i++)
        s->table[i].fresh = false;
}

int intents_keep(struct intents *s, const bool *loose, uint64_t **ret, size_t *count)
{
    uint64_t *kept = malloc((s->count ? s->count : 1) * sizeof(*kept));
    size_t n = 0;

    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < s->size; i++) {
        struct intent *at = &s->table[i];
        if (at->used && !at->fresh && !at->writing && loose && !loose[key_disk(at->region)])
            at->goes = true;
    }
    int r = s->size ? rebuild(s, s->size) : 0;
    if (r) {
        for (size_t i = 0; i < s->size; i++)
            s->table[i].goes = false;
        free(kept);
        return r;
    }
    for (size_t i = 0; i < s->size; i++)
        if (s->table[i].used) /* one that is just being marked is told of twice */
            kept[n++] = s->table[i].region;
    *ret = kept;
    *count = n;
    return 0;
}
