/* partial.c - which sectors of a block are where, when it is in pieces?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "partial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t home(const struct partials *p, uint64_t key)
{
    return key_spread(key) & (p->size - 1);
}

static struct pieces *look(const struct partials *p, uint64_t key)
{
    size_t i = home(p, key);

    while (p->table[i].count && p->table[i].key != key)
        i = (i + 1) & (p->size - 1);
    return &p->table[i];
}

void partials_finish(struct partials *p)
{
    free(p->table);
    memset(p, 0, sizeof(*p));
}

int partials_reserve(struct partials *p, size_t more)
{
    struct partials grown = { .size = p->size ? p->size : 64, .used = p->used };

    while (grown.size < 2 * (p->used + more))
        grown.size *= 2;
    if (grown.size == p->size)
        return 0;
    grown.table = calloc(grown.size, sizeof(*grown.table));
    if (!grown.table)
        return -ENOMEM;
    for (size_t i = 0; i < p->size; i++)
        if (p->table[i].count)
            *look(&grown, p->table[i].key) = p->table[i];
    free(p->table);
    *p = grown;
    return 0;
}

struct pieces *partials_of(struct partials *p, uint64_t key, bool make)
{
    if (!p->size)
        return NULL;
    struct pieces *found = look(p, key);
    if (found->count)
        return found;
    if (!make)
        return NULL;
    found->key = key; /* it counts as used from its first piece on, see pieces_add() */
    p->used++;
    return found;
}

void partials_remove(struct partials *p, uint64_t key)
{
    struct pieces *hole = p->size ? look(p, key) : NULL;

    if (!hole || !hole->count)
        return;
    p->used--;
    size_t i = (size_t)(hole - p->table);
    hole->count = 0;
    /* who was pushed on by it moves back, so that looking stops at an empty entry */
    for (size_t j = (i + 1) & (p->size - 1); p->table[j].count; j = (j + 1) & (p->size - 1)) {
        size_t at = home(p, p->table[j].key);
        if (((j - at) & (p->size - 1)) < ((j - i) & (p->size - 1)))
            continue;
        p->table[i] = p->table[j];
        p->table[j].count = 0;
        i = j;
    }
}

static void take_out(struct pieces *p, unsigned i)
{
    p->count--;
    memmove(&p->piece[i], &p->piece[i + 1], (p->count - i) * sizeof(p->piece[0]));
}

unsigned pieces_add(struct pieces *p, uint32_t place, uint8_t mask, uint32_t gone[SECTORS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->count;) {
        p->piece[i].mask &= (uint8_t)~mask;
        if (p->piece[i].mask) {
            i++;
            continue;
        }
        gone[n++] = p->piece[i].place;
        take_out(p, i);
    }
    memmove(&p->piece[1], &p->piece[0], p->count * sizeof(p->piece[0]));
    p->piece[0] = (struct piece){ place, mask };
    p->count++;
    return n;
}

void pieces_remove(struct pieces *p, uint32_t place)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->piece[i].place == place) {
            take_out(p, i);
            return;
        }
}
