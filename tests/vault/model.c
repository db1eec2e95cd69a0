/* model.c - what would the disks of a group hold at every LSN, where a test has chosen the writes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = MODEL_BLOCK / 8 };

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t model_chance(uint64_t *seed, uint64_t n)
{
    return mix(*seed += 0x9e3779b97f4a7c15u) % n;
}

void model_add(struct model *m, const struct model_op *op)
{
    if (m->ops == m->room) {
        m->room = m->room ? m->room * 2 : 1024;
        m->op = realloc(m->op, m->room * sizeof *m->op);
        if (!m->op)
            abort();
    }
    m->op[m->ops++] = *op;
}

void model_finish(struct model *m)
{
    free(m->op);
    *m = (struct model){ 0 };
}

void model_writers(const struct model *m, unsigned disk, uint64_t lsn, uint64_t *writer,
                   unsigned count)
{
    memset(writer, 0, count * sizeof *writer);
    for (size_t i = 0; i < m->ops && m->op[i].lsn <= lsn; i++) {
        const struct model_op *op = &m->op[i];
        for (unsigned b = op->first; op->disk == disk && b < op->first + op->count; b++)
            writer[b] = op->zero ? 0 : op->lsn;
    }
}

void model_fill(void *bytes, unsigned disk, unsigned block, uint64_t writer)
{
    uint64_t seed = mix((uint64_t)disk << 56 ^ (uint64_t)block << 24 ^ mix(writer)), word[WORDS];

    for (unsigned i = 0; i < WORDS; i++)
        word[i] = writer ? seed += 0x9e3779b97f4a7c15u : 0;
    word[0] = writer; /* for whoever looks at one that is wrong */
    memcpy(bytes, word, sizeof word);
}

bool model_is(const void *bytes, unsigned disk, unsigned block, uint64_t writer)
{
    uint8_t expected[MODEL_BLOCK];

    model_fill(expected, disk, block, writer);
    return memcmp(bytes, expected, sizeof expected) == 0;
}
