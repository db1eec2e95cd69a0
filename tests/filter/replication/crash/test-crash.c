/* test-crash.c - whenever either site dies, is nothing lost that was promised, and nothing made up?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   test-crash [STEP]       STEP: a number of enum source_step that is left out
 *   test-crash LIFE         once: absences, leaving
 *
 * Guests write to two disks of one group while the network delays, loses, holds and is cut, either
 * site is stopped, killed or loses power and comes back, the target is promoted and demoted, writes
 * are done and refused (life.c, trouble.c); and short lives that make just one thing happen
 * (lives-*.c).  At moments of them the state of both sites is noted; a state is one such moment
 * with one loss of the medium of the target, or of both: what a kill (all is there) or a power
 * failure (nothing unsynced, some of it, torn) leaves.  Of each
 *   - the target alone, promoted, is a legal cut over both disks, with all that was promised; or
 *   - both sites, started again, come into step, and then hold the same bytes.
 * In the end of each life both sites hold the same bytes, too.
 *
 * CRASH_STATES (800), CRASH_JOBS (8: processes, with a seed each), CRASH_SEED and CRASH_VERBOSE
 * are what they say.  The threads are real, so a seed makes a run alike, not the same. */
#include "script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct world world;

#ifdef SOURCE_LEAVES_OUT
bool source_does(enum source_step step)
{
    return step != world.left_out;
}
#endif

void fail(const char *what, const char *why, uint64_t seed)
{
    if (world.left_out)
        printf("found: %s: %.300s\n", what, why);
    else
        printf("not ok: %s: %s\n(mode %d, degrade %d, %s, state seed %" PRIu64
               ", CRASH_SEED=%" PRIu64 ")\n",
               what, why, world.mode, world.degrades, world.about, seed, world.seed);
    fflush(stdout);
    _exit(world.left_out ? 0 : 1); /* the threads of both sites are at their work */
}

static unsigned judge_all(uint64_t *chance)
{
    for (unsigned i = 0; i < MOMENTS; i++) {
        const struct moment *m = &world.moment[i];
        judge_failover(m, MEMORY_ALL, memory_chance(chance));
        judge_failover(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), memory_chance(chance));
        judge_return(m, MEMORY_ALL, MEMORY_ALL, memory_chance(chance));
        judge_return(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3),
                     (int)(memory_chance(chance) % 4), memory_chance(chance));
    }
    return MOMENTS * 4;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void make_world(void)
{
    pthread_rwlockattr_t attributes;

    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&world.still, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_cond_init(&world.asked, NULL);
    pthread_mutex_init(&world.lock, NULL);
}

/* States until there are so many; without a step, until one is found that shows it. */
static unsigned search(uint64_t seed, uint64_t wanted)
{
    unsigned states = 0;

    make_world();
    while (states < wanted) {
        world.seed = seed;
        uint64_t chance = seed ^ 0x9e3779b97f4a7c15u;
        states += live_by_script(&chance);
        if (states >= wanted)
            break;
        live();
        states += judge_all(&chance);
        life_end();
        seed = memory_chance(&seed);
    }
    return states;
}

/* The sites wait more than they work: several processes do so at once. */
static int search_by_jobs(uint64_t seed, uint64_t wanted, unsigned jobs)
{
    unsigned *states = mmap(NULL, jobs * sizeof *states, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0),
             sum = 0;
    int failed = 0, status;

    if (states == MAP_FAILED)
        abort();
    for (unsigned i = 0; i < jobs; i++) {
        pid_t child = fork();
        if (child < 0)
            abort();
        if (child)
            continue;
        states[i] = search(seed + i, (wanted + jobs - 1) / jobs);
        exit(0);
    }
    while (wait(&status) > 0)
        failed |= !WIFEXITED(status) || WEXITSTATUS(status);
    for (unsigned i = 0; i < jobs; i++)
        sum += states[i];
    if (!failed)
        printf("ok: %u states\n", sum);
    return failed;
}

static const struct {
    const char *name;
    void (*live)(uint64_t *chance);
} lives[] = { { "absences", live_absences }, { "leaving", live_leaving } };

static int live_one(void (*one)(uint64_t *chance), uint64_t seed)
{
    uint64_t chance = world.seed = seed;

    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    make_world();
    one(&chance);
    return 0;
}

int main(int argc, char **argv)
{
    const uint64_t seed =
        number_of("CRASH_SEED", (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid());

    for (size_t i = 0; argc > 1 && i < sizeof lives / sizeof *lives; i++)
        if (!strcmp(argv[1], lives[i].name))
            return live_one(lives[i].live, seed);
    world.left_out = argc > 1 ? (enum source_step)atoi(argv[1]) : STEP_ALL;
    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    fflush(stdout); /* once: not by each job */
    if (!world.left_out)
        return search_by_jobs(seed,
                              number_of("CRASH_STATES", number_of("WEIR_SHORT", 0) ? 300 : 800),
                              (unsigned)number_of("CRASH_JOBS", 8));
    printf("not ok: step %d was left out, and %u states did not show it\n", world.left_out,
           search(seed, number_of("CRASH_STATES", 1000)));
    return 1;
}
