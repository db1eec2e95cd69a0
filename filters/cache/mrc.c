/* mrc.c - what would the miss ratio be with a pool of another size?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A watched block has a time, that of its last reference; the Fenwick tree has a one at each such
 * time, so the ones after it are the watched blocks that were referenced since.  When the times
 * are used up they are given anew, in their order. */
#include "mrc.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 4 * MRC_SAMPLES, CHAINS = 2 * MRC_SAMPLES, NONE = UINT16_MAX };

/* So few watched blocks between two references say little of how many blocks there were: each
 * count tells of a range of sizes, see near_misses(). */
enum { NEAR = 64 };
#define LEAST_STEP 1e-6 /* of the miss ratio: less is nothing */

struct sample {
    uint64_t key, hash;
    uint16_t time; /* 1 to TIMES */
    uint16_t heap; /* where it is in the heap */
    uint16_t next; /* of its chain, or of those that are free */
};

struct mrc {
    _Atomic uint64_t threshold; /* a block is watched when its hash is less; falls only */
    struct sample sample[MRC_SAMPLES];
    uint16_t heap[MRC_SAMPLES]; /* the one with the largest hash is on top */
    uint16_t chain[CHAINS];
    uint16_t owner[TIMES + 1]; /* of a time: a sample, or NONE */
    uint16_t tree[TIMES + 1];
    uint16_t count, free;
    uint32_t time; /* the last one given */

    /* What the references were, each with the weight 1 / rate. */
    double near[NEAR], near_scaled[NEAR]; /* by watched blocks between; the same times 1 / rate */
    double far[MRC_POINTS];               /* by the first size that would have held it */
    double watched;                       /* all of them */
    double total;                         /* what mrc_total() said; 0: nothing */
};

_Static_assert(TIMES < UINT16_MAX, "a time is 16 bits");

/* Two multiplications: the products of one are so regular that some strides of a guest would never
 * be watched, or always. */
static uint64_t hash_of(uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    key ^= key >> 32;
    return key * 0xd6e8feb86659fd93u;
}

static double rate_of(const struct mrc *mrc)
{
    uint64_t threshold = atomic_load_explicit(&mrc->threshold, memory_order_relaxed);

    return threshold == UINT64_MAX ? 1 : (double)threshold / 0x1p64;
}

bool mrc_watches(const struct mrc *mrc, uint64_t key)
{
    return hash_of(key) < atomic_load_explicit(&mrc->threshold, memory_order_relaxed);
}

int mrc_create(struct mrc **ret)
{
    struct mrc *mrc = calloc(1, sizeof(*mrc));

    if (!mrc)
        return -ENOMEM;
    atomic_init(&mrc->threshold, UINT64_MAX);
    memset(mrc->chain, 0xff, sizeof(mrc->chain));
    memset(mrc->owner, 0xff, sizeof(mrc->owner));
    for (size_t i = 0; i < MRC_SAMPLES; i++)
        mrc->sample[i].next = i + 1 < MRC_SAMPLES ? (uint16_t)(i + 1) : NONE;
    *ret = mrc;
    return 0;
}

void mrc_destroy(struct mrc *mrc)
{
    free(mrc);
}

/* ---- the tree: how many times after one are taken? ---------------------------- */

static void tree_add(struct mrc *mrc, uint32_t time, int one)
{
    for (; time <= TIMES; time += time & -time)
        mrc->tree[time] = (uint16_t)(mrc->tree[time] + one);
}

static uint32_t tree_sum(const struct mrc *mrc, uint32_t time)
{
    uint32_t ret = 0;

    for (; time; time -= time & -time)
        ret += mrc->tree[time];
    return ret;
}

/* Those that are taken become 1, 2, 3, ... */
static void renumber(struct mrc *mrc)
{
    uint32_t time = 0;

    memset(mrc->tree, 0, sizeof(mrc->tree));
    for (uint32_t old = 1; old <= TIMES; old++) {
        uint16_t owner = mrc->owner[old];
        if (owner == NONE)
            continue;
        mrc->owner[old] = NONE;
        mrc->owner[++time] = owner;
        mrc->sample[owner].time = (uint16_t)time;
        tree_add(mrc, time, 1);
    }
    mrc->time = time;
}

static void give_time(struct mrc *mrc, uint16_t index)
{
    if (mrc->time == TIMES)
        renumber(mrc);
    mrc->sample[index].time = (uint16_t)++mrc->time;
    mrc->owner[mrc->time] = index;
    tree_add(mrc, mrc->time, 1);
}

static void take_time(struct mrc *mrc, uint16_t index)
{
    tree_add(mrc, mrc->sample[index].time, -1);
    mrc->owner[mrc->sample[index].time] = NONE;
}

/* ---- the heap: whose hash is the largest? ------------------------------------- */

static void heap_place(struct mrc *mrc, uint32_t at, uint16_t index)
{
    mrc->heap[at] = index;
    mrc->sample[index].heap = (uint16_t)at;
}

static bool is_above(const struct mrc *mrc, uint16_t a, uint16_t b)
{
    return mrc->sample[a].hash > mrc->sample[b].hash;
}

static void heap_push(struct mrc *mrc, uint16_t index)
{
    uint32_t at = mrc->count++;

    for (; at && is_above(mrc, index, mrc->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_place(mrc, at, mrc->heap[(at - 1) / 2]);
    heap_place(mrc, at, index);
}

static void heap_pop(struct mrc *mrc)
{
    uint16_t index = mrc->heap[--mrc->count];
    uint32_t at = 0;

    for (uint32_t child; (child = 2 * at + 1) < mrc->count; at = child) {
        if (child + 1u < mrc->count && is_above(mrc, mrc->heap[child + 1], mrc->heap[child]))
            child++;
        if (!is_above(mrc, mrc->heap[child], index))
            break;
        heap_place(mrc, at, mrc->heap[child]);
    }
    if (mrc->count)
        heap_place(mrc, at, index);
}

/* ---- the sample ---------------------------------------------------------------- */

static uint16_t *chain_of(struct mrc *mrc, uint64_t hash)
{
    return &mrc->chain[hash % CHAINS]; /* the upper bits are alike in a small sample */
}

static uint16_t find(struct mrc *mrc, uint64_t key, uint64_t hash)
{
    uint16_t index = *chain_of(mrc, hash);

    while (index != NONE && mrc->sample[index].key != key)
        index = mrc->sample[index].next;
    return index;
}

static void forget_top(struct mrc *mrc)
{
    uint16_t index = mrc->heap[0], *link = chain_of(mrc, mrc->sample[index].hash);

    heap_pop(mrc);
    take_time(mrc, index);
    while (*link != index)
        link = &mrc->sample[*link].next;
    *link = mrc->sample[index].next;
    mrc->sample[index].next = mrc->free;
    mrc->free = index;
}

/* Room for one more: the threshold falls to the largest hash, which is no longer less than it. */
static void make_room(struct mrc *mrc)
{
    uint64_t threshold = mrc->sample[mrc->heap[0]].hash;

    atomic_store_explicit(&mrc->threshold, threshold, memory_order_relaxed);
    while (mrc->count && mrc->sample[mrc->heap[0]].hash >= threshold)
        forget_top(mrc);
}

static void enter(struct mrc *mrc, uint64_t key, uint64_t hash)
{
    if (mrc->count == MRC_SAMPLES) {
        make_room(mrc);
        if (hash >= atomic_load_explicit(&mrc->threshold, memory_order_relaxed))
            return;
    }
    uint16_t index = mrc->free, *chain = chain_of(mrc, hash);
    mrc->free = mrc->sample[index].next;
    mrc->sample[index].key = key;
    mrc->sample[index].hash = hash;
    mrc->sample[index].next = *chain;
    *chain = index;
    heap_push(mrc, index);
    give_time(mrc, index);
}

/* ---- the curve ------------------------------------------------------------------ */

/* Powers of sqrt(2), without the 1 that would be there twice. */
static uint64_t size_at(size_t point)
{
    return point ? (uint64_t)llround(exp2((double)(point + 1) / 2)) : 1;
}

static void count(struct mrc *mrc, uint32_t between)
{
    double weight = 1 / rate_of(mrc), blocks = ((double)between + 1) * weight;
    size_t point = 0;

    if (between < NEAR && weight > 1) {
        mrc->near[between] += weight;
        mrc->near_scaled[between] += weight * weight;
        return;
    }
    /* the size below may do, as sizes are rounded */
    if (blocks > 2)
        point = (size_t)(2 * log2(blocks)) - 1;
    while (point < MRC_POINTS && (double)size_at(point) < blocks)
        point++;
    if (point < MRC_POINTS)
        mrc->far[point] += weight;
}

void mrc_note(struct mrc *mrc, uint64_t key)
{
    uint64_t hash = hash_of(key);

    if (hash >= atomic_load_explicit(&mrc->threshold, memory_order_relaxed))
        return; /* it has fallen since the caller asked */
    uint16_t index = find(mrc, key, hash);
    mrc->watched += 1 / rate_of(mrc);
    if (index == NONE) {
        enter(mrc, key, hash);
        return;
    }
    count(mrc, mrc->count - tree_sum(mrc, mrc->sample[index].time));
    take_time(mrc, index);
    give_time(mrc, index);
}

void mrc_total(struct mrc *mrc, uint64_t references)
{
    mrc->total += (double)references;
}

/* What was watched too little or too much is put right at the smallest distances: those who are
 * asked for again and again make the difference, by being of the sample or not. */
static void put_right(const struct mrc *mrc, double near[NEAR], double *least)
{
    double more = mrc->total > 0 ? mrc->total - mrc->watched : 0;

    memcpy(near, mrc->near, sizeof(mrc->near));
    for (unsigned k = 0; k < NEAR && (mrc->near[k] > 0 || !k); k++) {
        near[k] = fmax(mrc->near[k] + more, 0);
        more -= near[k] - mrc->near[k];
    }
    *least = more;
}

/* Of the references with k watched blocks between: the part that a cache of `blocks` would not have
 * held, for all k.  Blocks between two watched ones are as many as it takes to meet a rare
 * event, so those between k + 1 of them follow the gamma distribution. */
static double near_misses(const struct mrc *mrc, const double near[NEAR], double blocks)
{
    double ret = 0, rate = rate_of(mrc);

    for (unsigned k = 0; k < NEAR; k++) {
        if (!(near[k] > 0))
            continue;
        double x = blocks * (mrc->near[k] > 0 ? mrc->near[k] / mrc->near_scaled[k] : rate);
        double term = exp(-x), missed = term;
        for (unsigned i = 1; i <= k; i++) {
            term *= x / i;
            missed += term;
        }
        ret += missed * near[k];
    }
    return ret;
}

size_t mrc_curve(const struct mrc *mrc, struct mrc_point point[MRC_POINTS])
{
    double all = mrc->total > 0 ? mrc->total : mrc->watched;
    double near[NEAR], hits, last = 1;
    size_t ret = all > 0;

    put_right(mrc, near, &hits);
    for (unsigned k = 0; k < NEAR; k++)
        hits += near[k];
    for (size_t i = 0; i < MRC_POINTS && all > 0; i++) {
        point[i].blocks = size_at(i);
        hits += mrc->far[i];
        double misses = 1 - (hits - near_misses(mrc, near, (double)point[i].blocks)) / all;
        point[i].misses = fmin(fmax(misses, 0), last);
        if (i && last - point[i].misses > LEAST_STEP)
            ret = i + 1;
        last = point[i].misses;
    }
    return ret;
}

void mrc_fade(struct mrc *mrc)
{
    mrc->watched /= 2;
    mrc->total /= 2;
    for (size_t i = 0; i < NEAR; i++) {
        mrc->near[i] /= 2;
        mrc->near_scaled[i] /= 2;
    }
    for (size_t i = 0; i < MRC_POINTS; i++)
        mrc->far[i] /= 2;
}

uint64_t mrc_references(const struct mrc *mrc)
{
    return (uint64_t)llround(mrc->total > 0 ? mrc->total : mrc->watched);
}
