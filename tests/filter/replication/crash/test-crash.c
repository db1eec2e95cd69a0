/* test-crash.c - whenever either site dies, is nothing lost that was promised, and nothing made up?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   test-crash [STEP]       STEP: a number of enum source_step that is left out
 *
 * Guests write to two disks of one group while the network delays, loses and is cut.  At random
 * moments the state of both sites is noted.  For each of them, and for what a power failure of
 * either may leave of it:
 *   - the target alone, promoted, is a legal cut over both disks, with all that was promised;
 *   - both sites, started again, come into step, and then hold the same bytes.
 * Meanwhile the target is killed, or its power fails, and it comes back; the source is stopped in
 * order and started again; writes are done and refused.  In the end both sites hold the same bytes.
 * CRASH_STATES, CRASH_SEED and CRASH_VERBOSE are what they say.  The threads are real, so a seed
 * makes a run alike, not the same. */
#include "source-site.h"
#include "step.h"

#include "cut.h"
#include "ledger-block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCKS = SITE_SIZE / LEDGER_BLOCK,
    GUESTS = 4,
    LONGEST = 24, /* blocks of one write */
    EVENTS = 1 << 17,
    MOMENTS = 12, /* that are noted in one run */
    PATIENCE_S = 60,
};

enum { SENT, ACKED, REFUSED };
struct event {
    uint32_t id;
    uint8_t kind;
};

struct moment {
    struct target *target;
    size_t source_ops, target_ops;
    uint32_t events, ids;
    bool degraded;
    bool thin; /* the target has lost what it was sent, but for what was hardened, in this run */
};

static struct {
    uint64_t seed;
    /* Who changes anything has it shared, for a moment; who notes a moment has it alone. */
    pthread_rwlock_t still;
    pthread_mutex_t lock; /* guards the history */
    struct operation op[EVENTS / 2];
    struct event event[EVENTS];
    uint32_t ids, events;
    struct source *source;
    struct target *target, *targets[MOMENTS + 1]; /* the present one, and all of this run */
    unsigned lives;
    struct network network;
    /* Guests that ask now, and whether they are to wait; with the lock of the history. */
    pthread_cond_t asked;
    unsigned asking;
    bool halted;
    int mode;
    bool thin;
    bool degrades;
    atomic_bool stop;
    struct moment moment[MOMENTS];
    unsigned left_out;
} world;

#ifdef SOURCE_LEAVES_OUT
bool source_does(enum source_step step)
{
    return (unsigned)step != world.left_out;
}
#endif

static void pass_still(void *unused)
{
    (void)unused;
    pthread_rwlock_rdlock(&world.still);
    pthread_rwlock_unlock(&world.still);
}

static void pass_medium(void *unused, enum memory_call call, const char *name, uint64_t offset)
{
    (void)call;
    (void)name;
    (void)offset;
    pass_still(unused);
}

static void fail(const char *what, const char *why, uint64_t seed)
{
    if (world.left_out) {
        printf("found: %s: %.300s\n", what, why);
        exit(0);
    }
    printf("not ok: %s: %s\n(mode %d, degrade %d, state seed %" PRIu64 ", CRASH_SEED=%" PRIu64
           ")\n",
           what, why, world.mode, world.degrades, seed, world.seed);
    exit(1);
}

/* The target becomes the primary, and has what is in the source's memory. */
static void compare(struct memory *source, struct target *t, uint64_t seed)
{
    static uint8_t mine[SITE_SIZE], theirs[SITE_SIZE];
    struct source reader = { .memory = source };
    struct medium *folder = memory_medium(source, "disks");
    char why[SITE_WHY], name[16];

    if (target_promote(t, why))
        fail("the target cannot be promoted", why, seed);
    for (uint32_t i = 0; i < SITE_DISKS; i++) {
        snprintf(name, sizeof name, "disk%u", i);
        if (folder->open(folder, name, 0, &reader.disk[i].file) ||
            source_read(&reader, i, mine, sizeof mine, 0) ||
            target_read(t, name, theirs, sizeof theirs, 0))
            fail("the disks cannot be read", name, seed);
        reader.disk[i].file->close(reader.disk[i].file);
        for (size_t at = 0; at < SITE_SIZE; at++)
            if (mine[at] != theirs[at]) {
                snprintf(why, sizeof why, "%s differs at byte %zu", name, at);
                fail("in step, but not alike", why, seed);
            }
    }
    folder->close(folder);
}

/* ---- guests -----------------------------------------------------------------------------------
 */

static uint32_t note_sent(const struct operation *op)
{
    pass_still(NULL);
    pthread_mutex_lock(&world.lock);
    uint32_t id = ++world.ids;
    if (world.events + 2 * GUESTS > EVENTS - 1)
        atomic_store(&world.stop, true);
    world.op[id - 1] = *op;
    world.event[world.events++] = (struct event){ id, SENT };
    pthread_mutex_unlock(&world.lock);
    return id;
}

static void note_ended(uint32_t id, int error)
{
    pass_still(NULL);
    pthread_mutex_lock(&world.lock);
    world.event[world.events++] = (struct event){ id, error ? REFUSED : ACKED };
    pthread_mutex_unlock(&world.lock);
}

static void begin_asking(void)
{
    pthread_mutex_lock(&world.lock);
    while (world.halted)
        pthread_cond_wait(&world.asked, &world.lock);
    world.asking++;
    pthread_mutex_unlock(&world.lock);
}

static void end_asking(void)
{
    pthread_mutex_lock(&world.lock);
    world.asking--;
    pthread_cond_broadcast(&world.asked);
    pthread_mutex_unlock(&world.lock);
}

static void make_blocks(const struct operation *op, uint32_t id, uint8_t *data)
{
    for (uint64_t i = 0; i < op->length / LEDGER_BLOCK; i++) {
        const struct ledger_name name = {
            .run = 1, .disk = op->disk, .block = op->offset / LEDGER_BLOCK + i, .id = id
        };
        ledger_block_write(&name, data + i * LEDGER_BLOCK);
    }
}

static void make_operation(uint64_t *chance, struct operation *op)
{
    uint64_t luck = memory_chance(chance) % 100, blocks = 1 + memory_chance(chance) % 4;

    if (luck % 16 == 0)
        blocks = 1 + memory_chance(chance) % LONGEST;
    uint64_t first = memory_chance(chance) % BLOCKS;
    if (first + blocks > BLOCKS)
        blocks = BLOCKS - first;
    *op = (struct operation){
        .disk = (uint32_t)(memory_chance(chance) % SITE_DISKS),
        .kind = luck < 80   ? KIND_WRITE
                : luck < 84 ? KIND_ZERO
                : luck < 88 ? KIND_TRIM
                            : KIND_FLUSH,
        .fua = luck < 6,
        .offset = first * LEDGER_BLOCK,
        .length = blocks * LEDGER_BLOCK,
    };
    if (op->kind == KIND_FLUSH)
        op->offset = op->length = 0;
}

static void *guest(void *arg)
{
    uint64_t chance = world.seed + (uintptr_t)arg * 7919;
    uint8_t *data = malloc(LONGEST * LEDGER_BLOCK);
    struct operation op;

    while (!atomic_load(&world.stop)) {
        make_operation(&chance, &op);
        uint32_t id = note_sent(&op);
        make_blocks(&op, id, data);
        begin_asking();
        int error =
            source_request(world.source, op.disk,
                           op.kind == KIND_WRITE  ? WEIR_WRITE
                           : op.kind == KIND_ZERO ? WEIR_ZERO
                           : op.kind == KIND_TRIM ? WEIR_TRIM
                                                  : WEIR_FLUSH,
                           op.kind == KIND_WRITE ? data : NULL, op.length, op.offset, op.fua);
        end_asking();
        note_ended(id, error);
        if (memory_chance(&chance) % 8 == 0)
            usleep((useconds_t)(memory_chance(&chance) % 300));
    }
    free(data);
    return NULL;
}

/* ---- one run ------------------------------------------------------------------------------------
 */

static void wait_in_step(struct source *s, uint64_t seed)
{
    const time_t limit = time(NULL) + PATIENCE_S;

    while (!source_in_step(s)) {
        if (time(NULL) > limit) {
            char *status = source_status(s);
            fail("the sites do not come into step", status, seed);
        }
        usleep(500);
    }
}

static bool says(struct source *s, const char *word)
{
    char *status = source_status(s);
    bool found = strstr(status, word);

    free(status);
    return found;
}

static void note_moment(struct moment *m)
{
    pthread_rwlock_wrlock(&world.still);
    m->source_ops = memory_ops(world.source->memory);
    m->target = world.target;
    m->target_ops = target_ops(world.target);
    pthread_mutex_lock(&world.lock);
    m->events = world.events;
    m->ids = world.ids;
    pthread_mutex_unlock(&world.lock);
    pthread_rwlock_unlock(&world.still);
    m->thin = world.thin;
    m->degraded = world.degrades; /* it may have gone on alone: then nothing is promised */
}

static void disturb(uint64_t *chance)
{
    uint64_t luck = memory_chance(chance) % 10;

    atomic_store(&world.network.delay_us, (unsigned)(memory_chance(chance) % 1500));
    atomic_store(&world.network.lose, luck < 3 ? 30 : 0);
    atomic_store(&world.network.cut, luck >= 8);
}

/* The target dies, and comes back with what a kill or a loss of power leaves of it. */
static void restart_target(uint64_t *chance)
{
    const int loss = (int)(memory_chance(chance) % 4);
    struct target *old = world.target;
    char why[SITE_WHY];

    atomic_store(&world.network.cut, true);
    struct target *new = target_crash(old, target_ops(old), loss, memory_chance(chance));
    /* who waits there for a frame that will not come is told so: what it is from now on nobody sees
     */
    target_promote(old, why);
    while (atomic_load(&world.network.busy))
        usleep(100);
    target_stop(old);
    target_gate(new, pass_still, NULL);
    if (target_start(new, why))
        fail("the target does not start", why, 0);
    world.target = world.targets[world.lives++] = new;
    world.network.target = new;
    world.thin |= loss != MEMORY_ALL;
    atomic_store(&world.network.cut, false);
}

/* In order, with whatever it could not send. */
static void restart_source(void)
{
    char why[SITE_WHY];

    atomic_store(&world.network.cut, world.mode == 0);
    pthread_mutex_lock(&world.lock);
    world.halted = true;
    while (world.asking)
        pthread_cond_wait(&world.asked, &world.lock);
    pthread_mutex_unlock(&world.lock);
    source_stop(world.source);
    if (source_start(world.source, why))
        fail("the source does not start", why, 0);
    pthread_mutex_lock(&world.lock);
    world.halted = false;
    pthread_cond_broadcast(&world.asked);
    pthread_mutex_unlock(&world.lock);
    atomic_store(&world.network.cut, false);
}

static void shake(uint64_t *chance)
{
    uint64_t luck = memory_chance(chance) % 8;

    if (luck == 0)
        restart_target(chance);
    else if (luck == 1)
        restart_source();
    else if (luck < 5)
        disturb(chance);
}

static void run(void)
{
    pthread_t guests[GUESTS];
    uint64_t chance = world.seed;
    char why[SITE_WHY];

    world.ids = world.events = 0;
    atomic_store(&world.stop, false);
    world.mode = (int)(memory_chance(&chance) % 3);
    world.degrades = memory_chance(&chance) % 4 == 0;
    world.thin = false;
    world.target = world.targets[0] = target_create();
    world.lives = 1;
    target_gate(world.target, pass_still, NULL);
    world.network = (struct network){ .target = world.target, .gate = pass_still };
    world.source = source_create(&world.network);
    memory_gate(world.source->memory, pass_medium, NULL);
    world.source->mode = world.mode;
    world.source->without_peer = world.degrades;
    world.source->ring = memory_chance(&chance) % 2 ? 1 << 20 : 16 << 20;
    atomic_store(&world.source->lies, memory_chance(&chance) % 3 ? 0 : 50);
    world.source->spill = memory_chance(&chance) % 2 ? 2 << 20 : 0;
    if (target_start(world.target, why) || source_start(world.source, why))
        fail("the sites cannot be started", why, 0);
    wait_in_step(world.source, 0);
    for (uintptr_t i = 0; i < GUESTS; i++)
        pthread_create(&guests[i], NULL, guest, (void *)i);
    for (unsigned i = 0; i < MOMENTS; i++) {
        shake(&chance);
        usleep((useconds_t)(memory_chance(&chance) % 30000));
        note_moment(&world.moment[i]);
    }
    atomic_store(&world.stop, true);
    atomic_store(&world.network.cut, false);
    atomic_store(&world.network.lose, 0);
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(guests[i], NULL);
    wait_in_step(world.source, 0);
    source_stop(world.source);
    compare(world.source->memory, world.target, 0);
}

/* ---- the target alone
 * ------------------------------------------------------------------------------ */

static void history_until(const struct moment *m, struct history *h)
{
    *h = (struct history){ .disks = SITE_DISKS, .moments = m->events };
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        h->disk[i].size = SITE_SIZE;
    for (uint32_t i = 0; i < m->ids; i++) {
        world.op[i].acked = world.op[i].ended = world.op[i].hardened = NEVER;
        world.op[i].torn = false; /* a record is applied whole or not at all */
    }
    for (uint32_t i = 0; i < m->events; i++) {
        struct operation *op = &world.op[world.event[i].id - 1];
        if (world.event[i].kind == SENT)
            op->sent = i;
        else
            op->ended = i;
        if (world.event[i].kind == ACKED)
            op->acked = i;
    }
    for (uint32_t i = 0; i < m->ids; i++)
        history_add(h, &world.op[i]);
    history_harden(h);
}

static void look_at(struct target *t, uint32_t disk, uint32_t *seen, uint64_t seed)
{
    static uint8_t data[SITE_SIZE];
    char name[16];

    snprintf(name, sizeof name, "disk%u", disk);
    if (target_read(t, name, data, sizeof data, 0))
        fail("a promoted disk cannot be read", name, seed);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        const uint8_t *block = data + i * LEDGER_BLOCK;
        struct ledger_name found;
        bool torn;
        if (ledger_block_is_zero(block))
            seen[i] = SEEN_ZERO;
        else if (ledger_block_read(block, &found, &torn) && found.disk == disk && found.block == i)
            seen[i] = found.id;
        else
            seen[i] = SEEN_WRONG;
    }
}

static enum demand promised(const struct moment *m, enum memory_loss loss)
{
    if (world.mode == 0 || m->degraded)
        return DEMAND_NONE;
    return (loss == MEMORY_ALL && !m->thin) || world.mode == 2 ? DEMAND_ACKED : DEMAND_HARDENED;
}

static void judge_failover(const struct moment *m, enum memory_loss loss, uint64_t seed)
{
    static uint32_t seen[SITE_DISKS][BLOCKS];
    struct target *t = target_crash(m->target, m->target_ops, loss, seed);
    struct history history;
    struct cut cut;
    char why[SITE_WHY];

    if (target_start(t, why))
        fail("the target does not start", why, seed);
    if (target_promote(t, why))
        fail("the target cannot be promoted", why, seed);
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        look_at(t, i, seen[i], seed);
    history_until(m, &history);
    struct cut_question question = { .history = &history,
                                     .demand = promised(m, loss),
                                     .by = m->events };
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        question.seen[i] = seen[i];
    if (cut_judge(&question, &cut))
        abort();
    if (!cut.legal)
        fail(question.demand == DEMAND_NONE ? "a failover gets what never was"
                                            : "a failover lacks what was promised",
             cut.why, seed);
    free(cut.in);
    history_free(&history);
    target_destroy(t);
}

/* ---- both again
 * -------------------------------------------------------------------------------------- */

static void judge_return(const struct moment *m, enum memory_loss here, enum memory_loss there,
                         uint64_t seed)
{
    struct target *t = target_crash(m->target, m->target_ops, there, seed);
    struct network network = { .target = t };
    struct source *s = source_crash(world.source, &network, m->source_ops, here, seed + 1);
    char why[SITE_WHY];

    if (target_start(t, why))
        fail("the target does not start", why, seed);
    if (source_start(s, why))
        fail("the source does not start", why, seed);
    wait_in_step(s, seed);
    if (says(s, "\"fenced\"") || says(s, "\"fork\":{"))
        fail("the source was fenced by nobody", "", seed);
    struct memory *after = memory_copy(s->memory);
    source_stop(s);
    compare(after, t, seed);
    memory_destroy(after);
    source_destroy(s);
    target_destroy(t);
}

static unsigned judge_all(uint64_t *chance)
{
    unsigned states = 0;

    for (unsigned i = 0; i < MOMENTS; i++) {
        const struct moment *m = &world.moment[i];
        judge_failover(m, MEMORY_ALL, memory_chance(chance));
        judge_failover(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), memory_chance(chance));
        judge_return(m, MEMORY_ALL, MEMORY_ALL, memory_chance(chance));
        judge_return(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3),
                     (int)(memory_chance(chance) % 4), memory_chance(chance));
        states += 4;
    }
    return states;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    pthread_rwlockattr_t attributes;
    unsigned states = 0;

    world.left_out = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&world.still, &attributes);
    pthread_cond_init(&world.asked, NULL);
    pthread_mutex_init(&world.lock, NULL);
    uint64_t seed = number_of("CRASH_SEED", (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid());
    const uint64_t wanted = number_of("CRASH_STATES", world.left_out ? 100000 : 240);
    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    while (states < wanted) {
        world.seed = seed;
        uint64_t chance = seed ^ 0x9e3779b97f4a7c15u;
        run();
        states += judge_all(&chance);
        source_destroy(world.source);
        while (world.lives)
            target_destroy(world.targets[--world.lives]);
        seed = memory_chance(&seed);
    }
    if (world.left_out) {
        printf("not ok: step %u was left out, and %u states did not show it\n", world.left_out,
               states);
        return 1;
    }
    printf("ok: %u states\n", states);
    return 0;
}
