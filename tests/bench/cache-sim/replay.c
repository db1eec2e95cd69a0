/* replay.c - what does the filter's own policy make of a trace?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The pool's log is a ring of places here, without the pages that say what is in it.  What is dirty
 * is destaged when the log's tail comes to it. */
#include "policy.h"
#include "sim.h"

#include <stdlib.h>

struct log {
    struct policy *policy;
    uint32_t pages;
    uint64_t head, tail, most; /* positions; the small queue's length */
    struct replay *result;
};

static void leave(struct log *log)
{
    uint32_t place = (uint32_t)(log->tail++ % log->pages), slot;
    enum policy_fate fate = policy_tail(log->policy, place, &slot);

    if (fate == FATE_DIRTY) {
        policy_set_state(log->policy, place, 0, PLACE_DIRTY);
        fate = policy_tail(log->policy, place, &slot);
    }
    if (fate == FATE_MOVE) {
        log->result->moves++;
        if (!policy_move(log->policy, place, slot))
            die("the policy", "it refuses the move that it has asked for");
    }
}

static uint32_t append(struct log *log)
{
    while (log->head - log->tail >= log->most)
        leave(log);
    return (uint32_t)(log->head++ % log->pages);
}

static void come(struct log *log, uint64_t key, bool write, enum replay_mode mode)
{
    uint32_t place, before;

    log->result->fills++;
    if (write && mode == REPLAY_WRITE_BACK) {
        bool known = policy_recall(log->policy, key);
        policy_put(log->policy, append(log), key, 0, PLACE_DIRTY, &before);
        place = policy_find(log->policy, key);
        for (int hits = 0; known && hits < 2; hits++)
            policy_touch(log->policy, place);
        return;
    }
    place = policy_admit(log->policy, key);
    policy_put(log->policy, place == NOWHERE ? append(log) : place, key, 0, 0, &before);
}

static void again(struct log *log, uint64_t key, uint32_t place, bool write, enum replay_mode mode)
{
    uint32_t before;

    if (write && mode == REPLAY_READ) {
        policy_drop(log->policy, place);
        return;
    }
    policy_touch(log->policy, place);
    if (!write)
        return;
    log->result->rewrites++;
    if (mode == REPLAY_WRITE_BACK)
        policy_put(log->policy, append(log), key, 0, PLACE_DIRTY, &before);
}

void replay(const struct trace *trace, uint32_t size, const struct replay_how *how,
            struct replay *result)
{
    struct log log = { .result = result };
    struct policy_shape shape = { .ghost = how->ghost, .seed = how->seed };
    struct policy_counts counts;

    *result = (struct replay){ 0 };
    log.pages = (uint32_t)(how->log * size + 0.5);
    if (!log.pages)
        log.pages = 1;
    log.most = (uint64_t)(how->small * size + 0.5);
    if (!log.most || log.most > log.pages)
        log.most = log.pages;
    shape.log_pages = log.pages;
    shape.slots = size - log.pages;
    if (policy_create(&shape, &log.policy))
        die("the policy", "it cannot be created");
    for (size_t i = 0; i < trace->count; i++) {
        uint64_t key = trace->key[trace->block[i]];
        bool write = trace->writes[i];
        uint32_t place = policy_find(log.policy, key);
        bool counts_here = !(write && how->mode == REPLAY_READ);
        result->references += counts_here;
        result->misses += counts_here && place == NOWHERE;
        if (place != NOWHERE)
            again(&log, key, place, write, how->mode);
        else if (counts_here)
            come(&log, key, write, how->mode);
    }
    policy_counts(log.policy, &counts);
    result->promotions = counts.promotions;
    policy_destroy(log.policy);
}
