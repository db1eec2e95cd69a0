/* wheel.c - which of many disks comes next in virtual time, for a few ns?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "wheel.h"

void wheel_init(struct wheel *w, uint64_t now, unsigned shift)
{
    *w = (struct wheel){ .first = now >> shift, .shift = shift };
}

/* Slots are numbered modulo 2^(64 - shift), as virtual time wraps at 2^64. */
static uint64_t distance(const struct wheel *w, uint64_t from, uint64_t to)
{
    return (to - from) & (UINT64_MAX >> w->shift);
}

static uint64_t slot_of(const struct wheel *w, uint64_t tag)
{
    if (tag_before(tag, w->first << w->shift))
        return w->first;
    uint64_t number = tag >> w->shift;
    return distance(w, w->first, number) < WHEEL_SLOTS ? number : w->first + WHEEL_SLOTS - 1;
}

static void link_at(struct wheel *w, unsigned at, struct wheel_node *n)
{
    struct wheel_node *head = w->slot[at];

    if (head) {
        n->next = head;
        n->previous = head->previous;
        head->previous->next = n;
        head->previous = n;
        return;
    }
    n->next = n->previous = n;
    w->slot[at] = n;
    w->used[at / 64] |= 1ull << (at % 64);
    w->summary |= 1ull << (at / 64);
}

static void unlink_at(struct wheel *w, unsigned at, struct wheel_node *n)
{
    if (n->next == n) {
        w->slot[at] = NULL;
        w->used[at / 64] &= ~(1ull << (at % 64));
        if (!w->used[at / 64])
            w->summary &= ~(1ull << (at / 64));
    } else {
        n->previous->next = n->next;
        n->next->previous = n->previous;
        if (w->slot[at] == n)
            w->slot[at] = n->next;
    }
    n->next = n->previous = NULL;
}

void wheel_put(struct wheel *w, struct wheel_node *n, uint64_t tag)
{
    n->tag = tag;
    n->at = (uint32_t)(slot_of(w, tag) % WHEEL_SLOTS);
    link_at(w, n->at, n);
    w->count++;
}

void wheel_remove(struct wheel *w, struct wheel_node *n)
{
    unlink_at(w, n->at, n);
    w->count--;
}

/* The first used slot at or after `at`, going round. */
static unsigned next_used(const struct wheel *w, unsigned at)
{
    unsigned word = at / 64;
    uint64_t here = w->used[word] & (UINT64_MAX << (at % 64));

    if (here)
        return word * 64 + (unsigned)__builtin_ctzll(here);
    uint64_t later = word == WHEEL_WORDS - 1 ? 0 : w->summary & (UINT64_MAX << (word + 1));
    word = (unsigned)__builtin_ctzll(later ? later : w->summary);
    return word * 64 + (unsigned)__builtin_ctzll(w->used[word]);
}

static void move_on(struct wheel *w, uint64_t slots)
{
    w->first = (w->first + slots) & (UINT64_MAX >> w->shift);
}

/* Some in this slot wait for the wheel to come nearer: all are put where they belong now.
 * The wheel moves on to the nearest of them, or to the next slot that somebody is in, as
 * nobody is before: not turn by turn where few disks lie far apart. */
static void spread(struct wheel *w, unsigned at)
{
    struct wheel_node *all = w->slot[at], *n = all;
    uint64_t nearest = all->tag;
    size_t here = 1;

    while ((n = n->next) != all) {
        here++;
        if (tag_before(n->tag, nearest))
            nearest = n->tag;
    }
    all->previous->next = NULL;
    w->slot[at] = NULL;
    w->used[at / 64] &= ~(1ull << (at % 64));
    if (!w->used[at / 64])
        w->summary &= ~(1ull << (at / 64));
    if (!tag_before(nearest, w->first << w->shift)) {
        uint64_t far = distance(w, w->first, nearest >> w->shift);
        uint64_t gap = here < w->count ? (next_used(w, at) - at) % WHEEL_SLOTS : far;
        move_on(w, far < gap ? far : gap);
    }
    while (all) {
        n = all;
        all = n->next;
        w->count--;
        wheel_put(w, n, n->tag);
    }
}

struct wheel_node *wheel_first(struct wheel *w)
{
    while (w->count) {
        unsigned from = (unsigned)(w->first % WHEEL_SLOTS), at = next_used(w, from);
        struct wheel_node *n = w->slot[at];

        move_on(w, (at - from) % WHEEL_SLOTS);
        if (slot_of(w, n->tag) == w->first)
            return n;
        spread(w, at);
    }
    return NULL;
}

void wheel_resize(struct wheel *w, uint64_t now, unsigned shift)
{
    struct wheel_node *all = NULL;

    for (struct wheel_node *n; (n = wheel_first(w));) {
        wheel_remove(w, n);
        n->next = all;
        all = n;
    }
    wheel_init(w, now, shift);
    while (all) {
        struct wheel_node *n = all;
        all = n->next;
        wheel_put(w, n, n->tag);
    }
}
