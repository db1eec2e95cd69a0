/* replay.c - what does the filter's own policy make of a trace?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "miniature.h"
#include "sim.h"
#include "tune.h"

static enum reference reference_of(bool write, enum replay_mode mode)
{
    static const enum reference writes[] = {
        [REPLAY_WRITE_BACK] = REFERENCE_DIRTY,
        [REPLAY_WRITE_THROUGH] = REFERENCE_WRITE,
        [REPLAY_READ] = REFERENCE_AROUND,
    };

    return write ? writes[mode] : REFERENCE_READ;
}

static void tune(struct tune *t, struct miniature *pool, uint64_t key, enum reference reference,
                 struct replay *result)
{
    if (!tune_watches(t, key))
        return;
    tune_note(t, key, reference);
    if (tune_verdict(t) == result->small)
        return;
    result->small = tune_verdict(t);
    result->tunes++;
    policy_tune(pool->policy, result->small);
}

void replay(const struct trace *trace, uint32_t size, const struct replay_how *how,
            struct replay *result)
{
    struct miniature pool;
    struct policy_counts counts;
    struct tune *t = NULL;

    *result = (struct replay){ .small = how->small };
    if (miniature_init(&pool, size, how->log, how->ghost, how->seed))
        die("the policy", "it cannot be created");
    pool.free = (uint32_t)(how->free * pool.pages + 0.5);
    policy_tune(pool.policy, how->small);
    if (how->autotune && tune_create(size, how->log, how->seed, &t))
        die("the tuner", "it cannot be created");
    for (size_t i = 0; i < trace->count; i++) {
        enum reference reference = reference_of(trace->writes[i], how->mode);
        uint64_t key = trace->key[trace->block[i]];
        bool hit = miniature_refer(&pool, key, reference);
        if (t)
            tune(t, &pool, key, reference, result);
        result->references += reference != REFERENCE_AROUND;
        result->misses += reference != REFERENCE_AROUND && !hit;
    }
    policy_counts(pool.policy, &counts);
    result->fills = pool.fills;
    result->moves = pool.moves;
    result->rewrites = pool.rewrites;
    result->promotions = counts.promotions;
    tune_destroy(t);
    miniature_finish(&pool);
}
