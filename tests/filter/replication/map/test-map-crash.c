/* test-map-crash.c - is a granule ever said to be clean that is not, wherever the power goes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a source does happens at random (map-life.h); then the power is lost at every moment, with a
 * random part of what was not synced, and the map that is found must say at least the truth.  Some
 * of these go on and lose power a second time; of others a sector is damaged, too.
 *
 *   test-map-crash       CRASH_STATES (10000) states
 *   test-map-crash STEP  without a step of map-step.h: fails if no illegal state is found
 *   CRASH_SEED=n         the first seed; each run prints its own */
#include "map-life.h"
#include "map-step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum map_step left_out; /* set once, by main() */

bool does(enum map_step step)
{
    return step != left_out;
}

static const struct {
    const char *name;
    enum map_step step;
} steps[] = {
    { "intent-before-write", INTENT_BEFORE_WRITE },   { "pages-before-clear", PAGES_BEFORE_CLEAR },
    { "mark-before-clear", MARK_BEFORE_CLEAR },       { "close-before-copy", CLOSE_BEFORE_COPY },
    { "pending-before-copy", PENDING_BEFORE_COPY },   { "stamp-again", STAMP_AGAIN },
    { "reserve-before-point", RESERVE_BEFORE_POINT }, { "skip-reserved", SKIP_RESERVED },
    { "unsure-is-dirty", UNSURE_IS_DIRTY },           { "found-stays", FOUND_STAYS },
    { "found-is-changed", FOUND_IS_CHANGED },         { "damaged-is-dirty", DAMAGED_IS_DIRTY },
    { "tail-before-size", TAIL_BEFORE_SIZE },
};

static struct {
    unsigned long states, wanted, ill;
    uint64_t need, dirty; /* granules, of all states */
} tally;

static void count(const struct life *l)
{
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        tally.need += (uint64_t)__builtin_popcountll(l->now.need[x]);
        tally.dirty += (uint64_t)__builtin_popcountll(l->dirty[x]);
    }
    tally.states++;
}

/* A sector of one of the files is another: the disk has lost it. */
static void damage(struct memory *m, uint64_t *chance)
{
    struct medium *medium = memory_medium(m, "maps");
    const char *name = memory_chance(chance) & 1 ? "map" : "map.intent";
    struct medium_file *f;
    uint64_t size, sector[64];

    if (!medium->open(medium, name, 0, &f)) {
        f->size(f, &size);
        for (int i = 0; i < 64; i++)
            sector[i] = memory_chance(chance) & 1 ? 0 : memory_chance(chance);
        if (size >= 512)
            file_write(f, sector, 512, memory_chance(chance) % (size / 512) * 512);
        f->close(f);
    }
    medium->close(medium);
}

static void report(struct life *first, size_t ops, uint64_t seed, const struct life *l)
{
    char text[128] = "the beginning";

    if (left_out == STEP_NONE) {
        if (ops)
            memory_op_text(first->memory, ops - 1, text, sizeof(text));
        printf("CRASH_SEED=%#llx after %zu (%s): %s\n", (unsigned long long)seed, ops, text,
               l->why);
    }
    tally.ill++;
}

/* A crash after `ops`, and perhaps another. */
static bool crash(struct life *first, size_t ops, uint64_t seed, unsigned depth)
{
    uint64_t chance = seed + ops * 77 + depth;
    const struct truth *truth = life_then(first, ops);
    struct memory *cut =
        memory_cut(first->memory, ops, memory_chance(&chance) % 4 ? MEMORY_TORN : MEMORY_SOME,
                   memory_chance(&chance));
    const bool damaged = memory_chance(&chance) % 8 == 0;
    struct life l;

    if (damaged)
        damage(cut, &chance);
    bool good = life_begin(&l, cut, memory_chance(&chance), first, truth) &&
                life_allows(&l, truth, damaged);
    count(&l);
    if (good && !damaged && depth < 2 && memory_chance(&chance) % 8 == 0) {
        good = life_go(&l, 30);
        for (int i = 0; good && i < 6; i++)
            good = crash(&l, memory_chance(&chance) % (memory_ops(cut) + 1), seed, depth + 1);
        if (!good && !l.why[0])
            strcpy(l.why, "(in a second crash)");
    }
    if (!good)
        report(first, ops, seed, &l);
    life_end(&l);
    memory_destroy(cut);
    return good;
}

static bool run(uint64_t seed)
{
    struct memory *m = memory_create();
    struct life l;

    bool good = life_begin(&l, m, seed, NULL, NULL) && life_go(&l, 300);
    if (!good)
        report(&l, memory_ops(m), seed, &l);
    for (size_t n = 0; good && n <= memory_ops(m); n++)
        for (unsigned i = 0; good && i < 3; i++)
            good = crash(&l, n, seed + i * 1000003, 0);
    life_end(&l);
    memory_destroy(m);
    return good;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seed = number("CRASH_SEED", (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u);
    bool good = true;

    tally.wanted = number("CRASH_STATES", 10000);
    for (size_t i = 0; argc > 1 && i < sizeof(steps) / sizeof(*steps); i++)
        if (strcmp(argv[1], steps[i].name) == 0)
            left_out = steps[i].step;
    if (argc > 1 && left_out == STEP_NONE) {
        fprintf(stderr, "no step is called %s\n", argv[1]);
        return 2;
    }
    printf("CRASH_SEED=%#llx\n", (unsigned long long)seed);
    for (; good && tally.states < tally.wanted; seed++)
        good = run(seed);
    printf("%lu states, %lu of them illegal; %.2f granules dirty for each that must be\n",
           tally.states, tally.ill, tally.need ? (double)tally.dirty / (double)tally.need : 0);
    if (left_out != STEP_NONE)
        return tally.ill ? 0 : 1; /* that nothing was found is the failure */
    return good ? 0 : 1;
}
