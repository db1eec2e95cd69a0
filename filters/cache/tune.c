/* tune.c - how long should the small queue be?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tune.h"

#include "places.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { GROUPS = 32 };

static const double lengths[] = { 0.01, 0.03, POLICY_LOG, 0.2, 0.4 };
enum { LENGTHS = sizeof lengths / sizeof *lengths, DEFAULT = 2 };

enum { WINS_LEAST = 8 }; /* windows, less those that were lost */
#define WINDOW     0.5   /* references, of the miniature's blocks */
#define FADE       0.9   /* from window to window */
#define GAIN_LEAST 0.01  /* of the misses; the default need not gain anything */
#define T_LEAST    4.0   /* of the groups' differences */
#define T_DEFAULT  1.0   /* ... for the default */

struct rival {
    struct miniature pool;
    double misses[GROUPS]; /* of all windows, the older the less */
    uint32_t now[GROUPS];  /* of this window */
    double late;           /* misses of windows, each of which counts half of the next */
    unsigned wins;         /* windows in which it missed less than the verdict, less the others */
};

struct tune {
    uint64_t threshold, seed;
    uint32_t window, left; /* watched references */
    unsigned verdict;
    struct rival rival[LENGTHS];
};

int tune_create(uint32_t blocks, double log, uint64_t seed, struct tune **ret)
{
    uint32_t size = blocks < TUNE_BLOCKS ? blocks : TUNE_BLOCKS;
    struct tune *t = calloc(1, sizeof *t);
    int r = 0;

    if (!t)
        return -ENOMEM;
    t->seed = seed;
    t->threshold = size < blocks ? (uint64_t)((double)size / blocks * 0x1p64) : UINT64_MAX;
    t->window = t->left = (uint32_t)(WINDOW * size) + 1;
    t->verdict = DEFAULT;
    for (unsigned i = 0; !r && i < LENGTHS; i++) {
        r = miniature_init(&t->rival[i].pool, size, log, POLICY_GHOST, seed + i);
        if (!r)
            policy_tune(t->rival[i].pool.policy, lengths[i]);
    }
    if (r) {
        tune_destroy(t);
        return r;
    }
    *ret = t;
    return 0;
}

void tune_destroy(struct tune *t)
{
    for (unsigned i = 0; t && i < LENGTHS; i++)
        miniature_finish(&t->rival[i].pool);
    free(t);
}

size_t tune_memory(const struct tune *t)
{
    size_t ret = sizeof *t;

    for (unsigned i = 0; i < LENGTHS; i++)
        ret += policy_memory(t->rival[i].pool.policy);
    return ret;
}

bool tune_watches(const struct tune *t, uint64_t key)
{
    return key_hash(key, t->seed) < t->threshold;
}

double tune_verdict(const struct tune *t)
{
    return lengths[t->verdict];
}

/* ---- the end of a window ---------------------------------------------------------- */

static double all_misses(const struct rival *r)
{
    double ret = 0;

    for (unsigned g = 0; g < GROUPS; g++)
        ret += r->misses[g];
    return ret;
}

/* Student's t of what `r` saves, over the groups. */
static double t_of(const struct rival *than, const struct rival *r)
{
    double sum = 0, squares = 0;

    for (unsigned g = 0; g < GROUPS; g++) {
        double saved = than->misses[g] - r->misses[g];
        sum += saved;
        squares += saved * saved;
    }
    double variance = (squares - sum * sum / GROUPS) / (GROUPS - 1) * GROUPS;
    return sum / sqrt(variance > 1 ? variance : 1);
}

static uint64_t misses_now(const struct rival *r)
{
    uint64_t ret = 0;

    for (unsigned g = 0; g < GROUPS; g++)
        ret += r->now[g];
    return ret;
}

static void fade(struct rival *r)
{
    r->late = r->late / 2 + (double)misses_now(r);
    for (unsigned g = 0; g < GROUPS; g++) {
        r->misses[g] = r->misses[g] * FADE + r->now[g];
        r->now[g] = 0;
    }
}

/* `r` has been better than the verdict for long enough, by enough, still is, and by more than
 * chance. */
static bool is_better(const struct rival *than, const struct rival *r, bool is_default)
{
    double part = is_default ? 1 : 1 - GAIN_LEAST;

    return r->wins >= WINS_LEAST && r->late < than->late * part &&
           all_misses(r) < all_misses(than) * part &&
           t_of(than, r) >= (is_default ? T_DEFAULT : T_LEAST);
}

static void judge(struct tune *t)
{
    const struct rival *than = &t->rival[t->verdict];
    uint64_t now = misses_now(than);
    unsigned best = t->verdict;

    for (unsigned i = 0; i < LENGTHS; i++) {
        struct rival *r = &t->rival[i];
        uint64_t own = misses_now(r);
        r->wins += own < now;
        r->wins -= own > now && r->wins;
    }
    for (unsigned i = 0; i < LENGTHS; i++)
        fade(&t->rival[i]);
    for (unsigned i = 0; i < LENGTHS; i++)
        if (is_better(than, &t->rival[i], i == DEFAULT) &&
            all_misses(&t->rival[i]) < all_misses(&t->rival[best]))
            best = i;
    if (t->rival[DEFAULT].late < than->late * (1 - GAIN_LEAST))
        best = DEFAULT; /* whatever was before */
    if (best == t->verdict)
        return;
    t->verdict = best;
    for (unsigned i = 0; i < LENGTHS; i++)
        t->rival[i].wins = 0;
}

void tune_note(struct tune *t, uint64_t key, enum reference reference)
{
    uint64_t hash = key_hash(key, t->seed);

    if (hash >= t->threshold)
        return;
    for (unsigned i = 0; i < LENGTHS; i++)
        if (!miniature_refer(&t->rival[i].pool, key, reference) && reference != REFERENCE_AROUND)
            t->rival[i].now[hash % GROUPS]++;
    if (reference == REFERENCE_AROUND || --t->left)
        return;
    t->left = t->window;
    judge(t);
}
