/* judge.c - which gateways of a datastore are alive?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "judge.h"

#include <errno.h>
#include <string.h>

static void grow_older(struct judge_slot *s)
{
    if (s->still < UINT32_MAX)
        s->still++;
}

/* A slot that is seen for the first time proves nothing: its gateway may have died a year
 * ago.  One that was free or another's, and is not now, has just been written. */
static void look(struct judge_slot *s, const struct gateway_block *b, uint64_t period)
{
    bool same = !memcmp(s->id, b->id, BLOCK_ID) && s->seq == b->seq;

    if (s->seen && !same)
        s->moved = true;
    if (same)
        grow_older(s);
    else
        s->still = 0;
    s->seen = true;
    memcpy(s->id, b->id, BLOCK_ID);
    s->seq = b->seq;
    s->slower = 1;
    if (period && b->report.period > period)
        s->slower = (uint32_t)((b->report.period + period - 1) / period);
}

static bool alive(const struct judge_slot *s)
{
    return s->moved && s->still < (uint64_t)JUDGE_STALE * s->slower;
}

bool judge_abandoned(const struct judge *judge, unsigned slot)
{
    const struct judge_slot *s = &judge->slot[slot];

    return s->still >= (uint64_t)JUDGE_ABANDONED * (s->slower ? s->slower : 1);
}

void judge_round(struct judge *judge, const void *file, size_t size, const uint8_t own[BLOCK_ID],
                 uint64_t period, struct peer_list *ret)
{
    const uint8_t *raw = file;

    ret->count = ret->stale = ret->garbage = 0;
    for (uint32_t i = 1; i <= BLOCK_SLOTS; i++) {
        struct judge_slot *s = &judge->slot[i];
        struct gateway_block b;
        int r = -ENOENT; /* the file ends before it */

        if (size >= (i + 1) * (size_t)BLOCK_SIZE)
            r = block_get(raw + i * (size_t)BLOCK_SIZE, i, &b);
        else if (size > i * (size_t)BLOCK_SIZE)
            r = -EBADMSG; /* a part of it */
        if (r == -ENOENT) {
            *s = (struct judge_slot){ .seen = true };
        } else if (r) {
            grow_older(s);
            ret->garbage++;
        } else {
            look(s, &b, period);
            if (!memcmp(b.id, own, BLOCK_ID))
                continue;
            if (alive(s))
                ret->peer[ret->count++] = (struct peer){ b, s->still };
            else
                ret->stale++;
        }
    }
}
