/* ledger-load.c - what does the ledger ask for next?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ledger-load.h"

#include <math.h>
#include <string.h>

#include "ledger-block.h"

enum { SPOTS = 4, SPOT_BLOCKS = 24 };

int load_pattern_find(const char *name)
{
    static const char *const names[] = { "random", "zipf", "overlap", "sequential" };

    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

uint64_t load_random(struct load *load, uint64_t below)
{
    load->state ^= load->state >> 12;
    load->state ^= load->state << 25;
    load->state ^= load->state >> 27;
    return (load->state * 0x2545f4914f6cdd1du >> 11) % below;
}

static bool chance(struct load *load, double p)
{
    return (double)load_random(load, 1u << 30) < p * (1u << 30);
}

/* A block to begin at, so that `blocks` fit. */
static uint64_t place(struct load *load, uint32_t disk, uint64_t blocks)
{
    const uint64_t all = load->span / LEDGER_BLOCK - blocks + 1;

    switch (load->pattern) {
    case LOAD_ZIPF: {
        /* the logarithm of the rank is uniform: each place's chance is about 1/rank */
        double u = (double)load_random(load, 1u << 30) / (1u << 30);
        uint64_t rank = (uint64_t)pow((double)all, u) - 1;
        return rank * 0x9e3779b97f4a7c15u % all;
    }
    case LOAD_OVERLAP:
        return (load_random(load, SPOTS) * (load->span / LEDGER_BLOCK / SPOTS) +
                load_random(load, SPOT_BLOCKS)) %
               all;
    case LOAD_SEQUENTIAL: {
        uint64_t at = load->next[disk] + blocks <= load->span / LEDGER_BLOCK ? load->next[disk] : 0;
        load->next[disk] = at + blocks;
        return at;
    }
    default:
        return load_random(load, all);
    }
}

void load_next(struct load *load, uint32_t disk, const char *kinds, struct operation *op)
{
    const uint64_t least = load->smallest / LEDGER_BLOCK, most = load->largest / LEDGER_BLOCK;

    *op = (struct operation){ .disk = disk, .kind = KIND_WRITE, .acked = NEVER, .ended = NEVER };
    if (strchr(kinds, 'f') && chance(load, load->flush)) {
        op->kind = KIND_FLUSH;
        return;
    }
    if (strchr(kinds, 't') && chance(load, load->trim))
        op->kind = KIND_TRIM;
    else if (strchr(kinds, 'z') && chance(load, load->zero))
        op->kind = KIND_ZERO;
    op->fua = strchr(kinds, 'u') && chance(load, load->fua);
    op->length = (least + load_random(load, most - least + 1)) * LEDGER_BLOCK;
    op->offset = place(load, disk, op->length / LEDGER_BLOCK) * LEDGER_BLOCK;
}
