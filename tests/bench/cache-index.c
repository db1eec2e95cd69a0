/* cache-index.c - what does it cost to find a block in a pool, and to put one there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-cache-index [BLOCKS]...
 *
 * CPU ns of one thread, the median of the rounds, with pools of 50,000, 1 and 26 million blocks
 * (100 GiB) unless told otherwise, all of them taken, asked for at random:
 *  - hit: the block is found, and touched; the next key depends on what was found, so that no two
 *    searches overlap;
 *  - miss: no block is found;
 *  - fill: a new block comes for which another one goes;
 *  - floor: two reads of tables as large as index and names, of which one says where the next is:
 *    less than that a search cannot cost on this machine, as busy as it is.
 * The exit status never depends on a time. */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, OPERATIONS = 200000, GOAL_NS = 150, GOAL_BLOCKS = 1000000 };

static void die(const char *what)
{
    fprintf(stderr, "bench-cache-index: %s\n", what);
    exit(1);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t mix(uint64_t n)
{
    n = (n ^ n >> 31) * 0x7fb5d329728ea185u;
    n = (n ^ n >> 27) * 0x81dadef4bc2dd44du;
    return n ^ n >> 33;
}

static uint64_t below(uint64_t n, uint32_t blocks)
{
    return (mix(n) >> 32) * blocks >> 32;
}

struct pool {
    struct policy *policy;
    uint32_t pages, blocks;
    uint64_t head, next; /* positions in the log; the next key that is new */
};

/* As a caller does; the log's tail is where its head comes next. */
static void fill(struct pool *pool, uint64_t key)
{
    uint32_t place = policy_admit(pool->policy, key), slot, before;

    if (place == NOWHERE) {
        place = (uint32_t)(pool->head++ % pool->pages);
        if (policy_tail(pool->policy, place, &slot) == FATE_MOVE)
            policy_move(pool->policy, place, slot);
    }
    policy_put(pool->policy, place, key, 0, 0, &before);
}

static double hits(struct pool *pool, unsigned round)
{
    uint64_t start = cpu_ns(), n = round * (uint64_t)OPERATIONS;

    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t place = policy_find(pool->policy, below(n, pool->blocks));
        if (place == NOWHERE)
            die("a block is not where it was put");
        policy_touch(pool->policy, place);
        n += 1 + (place & 1);
    }
    return (double)(cpu_ns() - start) / OPERATIONS;
}

static double misses(struct pool *pool, unsigned round)
{
    uint64_t start = cpu_ns(), n = round * (uint64_t)OPERATIONS;

    for (int i = 0; i < OPERATIONS; i++)
        n += 1 + (policy_find(pool->policy, BLOCKS_MAX / 2 + below(n, pool->blocks)) == NOWHERE);
    return (double)(cpu_ns() - start) / OPERATIONS;
}

static volatile uint64_t sink; /* so that the compiler does not leave the reads out */

static double reads(struct pool *pool, unsigned round)
{
    uint32_t *first = malloc((size_t)pool->blocks * sizeof *first);
    uint64_t *second = malloc((size_t)pool->blocks * sizeof *second), n = round;

    if (!first || !second)
        die("there is no memory");
    for (uint32_t i = 0; i < pool->blocks; i++) {
        first[i] = (uint32_t)below(i + round, pool->blocks);
        second[i] = mix(i);
    }
    uint64_t start = cpu_ns();
    for (int i = 0; i < OPERATIONS; i++)
        n += 1 + (second[first[below(n, pool->blocks)]] & 1);
    double took = (double)(cpu_ns() - start) / OPERATIONS;
    sink = n;
    free(first);
    free(second);
    return took;
}

static double fills(struct pool *pool, unsigned round)
{
    uint64_t start = cpu_ns();

    (void)round;
    for (int i = 0; i < OPERATIONS; i++)
        fill(pool, pool->next++);
    return (double)(cpu_ns() - start) / OPERATIONS;
}

static int compare(const void *a, const void *b)
{
    const double *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static double median(struct pool *pool, double (*run)(struct pool *, unsigned))
{
    double took[ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++)
        took[round] = run(pool, round);
    qsort(took, ROUNDS, sizeof *took, compare);
    return took[ROUNDS / 2];
}

static void measure(uint32_t blocks)
{
    const uint32_t pages = (uint32_t)(POLICY_LOG * blocks) + 1;
    const struct policy_shape shape = {
        .log_pages = pages,
        .slots = blocks,
        .ghost = POLICY_GHOST,
        .seed = 1,
    };
    struct pool pool = { .pages = pages, .blocks = blocks, .next = BLOCKS_MAX / 4 };
    uint32_t before;

    if (policy_create(&shape, &pool.policy))
        die("there is no memory");
    for (uint32_t i = 0; i < blocks; i++)
        policy_put(pool.policy, pages + i, i, 0, 0, &before);
    for (uint32_t i = 0; i < pages; i++)
        fill(&pool, pool.next++);
    double hit = median(&pool, hits), miss = median(&pool, misses), come = median(&pool, fills);
    double bare = median(&pool, reads);
    printf("%9u blocks: hit %6.1f ns (floor %6.1f), miss %6.1f ns, fill %6.1f ns, %.2f bytes for a "
           "block",
           blocks, hit, bare, miss, come,
           (double)policy_memory(pool.policy) / ((double)blocks + pages));
    printf(blocks == GOAL_BLOCKS ? "; goal for a hit <= %d: %s\n" : "\n", GOAL_NS,
           hit <= GOAL_NS ? "met" : "NOT MET");
    policy_destroy(pool.policy);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure((uint32_t)strtoul(argv[i], NULL, 0));
    if (argc == 1) {
        measure(50000);
        measure(GOAL_BLOCKS);
        measure(26000000);
    }
    return 0;
}
