/* test-prefix-check.c - does the checker find what is wrong, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Four ways: every image of small worlds against an oracle that tries everything; planted
 * violations in small worlds, judged by the oracle, too, as bytes and lines as the programs have
 * them; true cuts of large worlds, which must be accepted; violations planted in large worlds so
 * that they are certain.  CUT_SEED begins the random numbers, CUT_WORLDS is how many worlds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "image.h"
#include "ledger-block.h"
#include "world.h"

enum { BLOCKS = 12 /* of a small world */, LARGE = 3 * 64 };

static uint64_t worlds = 300;

static struct world_form small_form(void)
{
    struct world_form f = { .disks = 1 + (unsigned)world_random(2),
                            .depth = 2 + (unsigned)world_random(4),
                            .ops = 4 + (unsigned)world_random(6),
                            .items = 10,
                            .longest = 3,
                            .clear = 0.3,
                            .flush = 0.15,
                            .fua = 0.1 };

    f.blocks = f.disks == 1 ? 3 + (unsigned)world_random(3) : 3;
    f.refused = world_random(3) ? 0 : 0.2;
    f.unknown = world_random(2) ? 0 : 0.2;
    f.initial = world_random(3) ? 0 : 0.3;
    if (!world_random(3))
        f.clear = 0;
    return f;
}

/* ---- every image of small worlds ------------------------------------------------------------ */

static size_t choices(const struct world *w, uint64_t block, uint32_t out[32])
{
    size_t n = 0;

    out[n++] = w->initial[block] ? SEEN_INITIAL : SEEN_ZERO;
    if (w->initial[block])
        out[n++] = SEEN_CLEARED;
    for (uint32_t i = 0; i < w->history.ops; i++) {
        const struct operation *op = &w->history.op[i];
        uint64_t first = (uint64_t)op->disk * w->form.blocks + op->offset / LEDGER_BLOCK;
        if (op->kind == KIND_WRITE && first <= block && block < first + op->length / LEDGER_BLOCK)
            out[n++] = i + 1;
    }
    return n;
}

static unsigned count_lost(const struct world *w, const struct cut *cut)
{
    unsigned lost = 0;

    for (size_t i = 0; i < w->history.ops; i++)
        lost +=
            w->history.op[i].kind != KIND_FLUSH && w->history.op[i].acked != NEVER && !cut->in[i];
    return lost;
}

static bool agree(const struct world *w, const struct oracle *o, const uint32_t *seen)
{
    bool legal = false;

    for (enum demand d = DEMAND_NONE; d <= DEMAND_ACKED; d++) {
        struct cut cut;
        unsigned lost = 0;
        bool allowed = oracle_allows(o, seen, d, &lost);
        if (world_judge(w, seen, d, &cut) != allowed)
            fail_msg("demand %d: the oracle says %d; %s", d, allowed, cut.why);
        if (allowed && d == DEMAND_NONE)
            assert_int_equal(count_lost(w, &cut), lost);
        if (!allowed)
            assert_true(cut.why[0]);
        free(cut.in);
        legal |= allowed;
    }
    return legal;
}

static void every_image(void **unused)
{
    size_t images = 0, legal = 0;

    (void)unused;
    for (uint64_t i = 0; i < worlds; i++) {
        struct world w;
        uint32_t seen[BLOCKS], choice[BLOCKS][32];
        size_t count[BLOCKS], all = 1;
        struct world_form form = small_form();
        world_make(&w, &form);
        if (world_random(3) == 0)
            w.by = world_random(w.history.moments);
        struct oracle *o = oracle_make(&w);
        for (uint64_t b = 0; b < world_blocks(&w); b++)
            all *= count[b] = choices(&w, b, choice[b]);
        for (size_t n = 0; n < all && n < 3000; n++) {
            size_t rest = all <= 3000 ? n : world_random(all);
            for (uint64_t b = 0; b < world_blocks(&w); b++) {
                seen[b] = choice[b][rest % count[b]];
                rest /= count[b];
            }
            legal += agree(&w, o, seen);
            images++;
        }
        oracle_free(o);
        world_free(&w);
    }
    printf("%zu images of %" PRIu64
           " small worlds, %zu of them legal: 3 verdicts on each as the oracle's\n",
           images, worlds, legal);
    assert_true(legal > worlds && images > 10 * legal);
}

/* ---- as bytes and lines ------------------------------------------------------------------------
 */

static int memory_file(const void *data, size_t length, char path[64])
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length), (ssize_t)length);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void write_line(FILE *f, const struct world *w, size_t i, uint64_t moment)
{
    const struct operation *op = &w->history.op[i];

    if (op->sent == moment)
        fprintf(f, "s %zu %" PRIu32 " %c %" PRIu64 " %" PRIu64 " %d 1\n", i + 1, op->disk, op->kind,
                op->offset, op->length, op->fua);
    else if (op->acked == moment)
        fprintf(f, "a %zu 2\n", i + 1);
    else if (op->ended == moment)
        fprintf(f, "e %zu 2 5\n", i + 1);
}

/* The history as a ledger writes it, read again. */
static void read_lines(const struct world *w, struct history *ret)
{
    char *text, path[64], why[256] = "";
    size_t length;
    FILE *f = open_memstream(&text, &length);

    assert_non_null(f);
    fprintf(f, "weir-ledger 1 %016" PRIx64 "\n", w->history.run);
    for (unsigned i = 0; i < w->form.disks; i++)
        fprintf(f, "d %u %" PRIu64 " made-up\n", i, w->history.disk[i].size);
    for (uint64_t moment = 1; moment <= w->history.moments; moment++)
        for (size_t i = 0; i < w->history.ops; i++)
            write_line(f, w, i, moment);
    fprintf(f, "s 77 0 w"); /* somebody still writes */
    fclose(f);
    int fd = memory_file(text, length, path);
    if (history_read(path, ret, why) < 0)
        fail_msg("%s", why);
    close(fd);
    free(text);
    assert_int_equal(ret->ops, w->history.ops);
    for (size_t i = 0; i < ret->ops; i++) {
        const struct operation *a = &ret->op[i], *b = &w->history.op[i];
        assert_true(a->sent == b->sent && a->acked == b->acked && a->ended == b->ended &&
                    a->torn == b->torn && a->hardened == b->hardened);
    }
}

/* What the violations do to bytes that cannot be said as an operation. */
enum damage { SOUND, TORN, WRONG_DISK, WRONG_BLOCK, OTHER_RUN, NOISE, DAMAGES };

static void write_block(const struct world *w, uint32_t seen, unsigned disk, uint64_t block,
                        enum damage damage, uint8_t *out)
{
    struct ledger_name name = { .run = w->history.run, .disk = disk, .block = block, .id = seen };

    memset(out, seen == SEEN_INITIAL ? 0x5a : 0, LEDGER_BLOCK);
    if (damage == SOUND && (seen == SEEN_INITIAL || seen == SEEN_CLEARED || seen == SEEN_ZERO))
        return;
    name.id = seen >= SEEN_CLEARED || !seen ? 1 : seen;
    name.disk += damage == WRONG_DISK;
    name.block += damage == WRONG_BLOCK;
    name.run += damage == OTHER_RUN;
    ledger_block_write(&name, out);
    if (damage == TORN)
        memset(out + 512 * (1 + world_random(7)), 0, 512);
    if (damage == NOISE)
        out[0] ^= 1;
}

static void scan(const struct world *w, const uint32_t *seen, uint64_t damaged, enum damage damage,
                 uint32_t *found)
{
    const size_t size = (size_t)w->form.blocks * LEDGER_BLOCK;
    uint8_t *data = malloc(size), *before = malloc(size);
    char path[64], path_before[64], wrong[512], why[512];

    assert_true(data && before);
    for (unsigned d = 0; d < w->form.disks; d++) {
        struct image image, initial;
        for (uint64_t b = 0, at = (uint64_t)d * w->form.blocks; b < w->form.blocks; b++, at++) {
            write_block(w, seen[at], d, b, at == damaged ? damage : SOUND, data + b * LEDGER_BLOCK);
            memset(before + b * LEDGER_BLOCK, w->initial[at] ? 0x5a : 0, LEDGER_BLOCK);
        }
        int fd = memory_file(data, size, path), fd_before = memory_file(before, size, path_before);
        assert_int_equal(image_open(path, &image, why), 0);
        assert_int_equal(image_open(path_before, &initial, why), 0);
        assert_int_equal(image_scan(&image, &initial, w->history.run, d, size,
                                    found + (size_t)d * w->form.blocks, wrong, why),
                         0);
        image_close(&image);
        image_close(&initial);
        close(fd);
        close(fd_before);
    }
    free(data);
    free(before);
}

/* ---- planted violations
 * --------------------------------------------------------------------------- */

struct planted {
    uint32_t seen[BLOCKS];
    uint64_t damaged;
    enum damage damage;
    enum demand demand;
};

static void drop(const struct world *w, size_t count, struct planted *p)
{
    world_image(w, count, w->step[world_random(count)].op, p->seen);
}

static void early(const struct world *w, size_t count, struct planted *p)
{
    world_step(w, &w->step[count + world_random(w->steps - count)], p->seen);
}

/* One block goes back to what it was at an earlier moment. */
static void stale(const struct world *w, size_t count, struct planted *p)
{
    uint32_t old[BLOCKS];
    const struct step *step = &w->step[world_random(count)];
    uint64_t block = step->first + world_random(step->count);

    world_image(w, world_random(count), UINT32_MAX, old);
    p->seen[block] = old[block];
}

static void damage(const struct world *w, size_t count, struct planted *p)
{
    (void)count;
    p->damaged = world_random(world_blocks(w));
    p->damage = SOUND + 1 + (enum damage)world_random(DAMAGES - 1);
}

static void lost_flush(const struct world *w, size_t count, struct planted *p)
{
    p->demand = DEMAND_HARDENED;
    world_image(w, world_random(count), UINT32_MAX, p->seen);
}

static void lost_write(const struct world *w, size_t count, struct planted *p)
{
    p->demand = DEMAND_ACKED;
    world_image(w, world_random(count), UINT32_MAX, p->seen);
}

/* What was trimmed has its old bytes again. */
static void resurrect(const struct world *w, size_t count, struct planted *p)
{
    for (size_t tries = 0; tries < 50; tries++) {
        size_t i = world_random(count);
        uint32_t old[BLOCKS];
        uint64_t block = w->step[i].first + world_random(w->step[i].count);
        world_image(w, i, UINT32_MAX, old);
        if (w->history.op[w->step[i].op].kind == KIND_WRITE || old[block] == p->seen[block])
            continue;
        p->seen[block] = old[block];
        return;
    }
}

static void mixed(const struct world *w, size_t count, struct planted *p)
{
    uint32_t other[BLOCKS];
    size_t half = world_blocks(w) / 2;

    world_image(w, world_random(count), UINT32_MAX, other);
    memcpy(p->seen, other, half * sizeof *other);
}

/* Two operations that overlap are seen in both orders. */
static void crossed(const struct world *w, size_t count, struct planted *p)
{
    uint32_t a = w->step[world_random(count)].op, b = w->step[world_random(count)].op;
    uint32_t other[BLOCKS];

    world_image(w, count, a < b ? b : a, other);
    for (uint64_t block = 0; block < world_blocks(w); block++)
        if (world_random(2))
            p->seen[block] = other[block];
}

static const struct {
    const char *name;
    void (*plant)(const struct world *, size_t count, struct planted *);
} kinds[] = {
    { "dropped in the middle", drop },
    { "applied early", early },
    { "a stale block", stale },
    { "a damaged or misplaced block", damage },
    { "a lost flush", lost_flush },
    { "a lost acknowledged write", lost_write },
    { "resurrected after a trim", resurrect },
    { "a cut of two moments", mixed },
    { "overlaps in two orders", crossed },
};
enum { KINDS = sizeof kinds / sizeof kinds[0], WANTED = 150 };

/* One violation; true: it is one.  The verdict must be the oracle's in any case. */
static bool plant(unsigned kind)
{
    struct world w;
    struct world_form form = small_form();
    struct planted p = { .damaged = NEVER };
    uint32_t found[BLOCKS];
    struct history read;
    struct cut cut;

    form.disks = 2;
    form.blocks = 3;
    world_make(&w, &form);
    if (w.steps < 2) {
        world_free(&w);
        return false;
    }
    size_t count = 1 + world_random(w.steps - 1);
    world_image(&w, count, UINT32_MAX, p.seen);
    kinds[kind].plant(&w, count, &p);
    struct oracle *o = oracle_make(&w);
    bool allowed = p.damage == SOUND && oracle_allows(o, p.seen, p.demand, NULL);
    read_lines(&w, &read);
    scan(&w, p.seen, p.damaged, p.damage, found);
    history_free(&w.history);
    w.history = read;
    if (world_judge(&w, found, p.demand, &cut) != allowed)
        fail_msg("%s: the oracle says %d; %s", kinds[kind].name, allowed, cut.why);
    free(cut.in);
    oracle_free(o);
    world_free(&w);
    return !allowed;
}

static void planted(void **unused)
{
    unsigned all = 0, legal = 0;

    (void)unused;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        unsigned illegal = 0, tries = 0;
        for (; illegal < WANTED; tries++) {
            if (tries > 100 * WANTED)
                fail_msg("%s: only %u of %u were violations", kinds[kind].name, illegal, tries);
            illegal += plant(kind);
        }
        printf("%s: %u violations found, %u that were none accepted\n", kinds[kind].name, illegal,
               tries - illegal);
        all += illegal;
        legal += tries - illegal;
    }
    printf("planted: %u violations, all found; %u that a client cannot tell from a legal cut, all "
           "accepted\n",
           all, legal);
    assert_true(all >= 1000);
}

/* ---- large worlds
 * --------------------------------------------------------------------------------- */

static struct world_form large_form(void)
{
    return (struct world_form){ .disks = 3,
                                .blocks = LARGE / 3,
                                .depth = 32,
                                .ops = 2000,
                                .longest = 16,
                                .clear = 0.05,
                                .flush = 0.02,
                                .fua = 0.02,
                                .refused = 0.01,
                                .unknown = 0.01,
                                .initial = 0.2 };
}

static void true_cuts(void **unused)
{
    uint32_t seen[LARGE];
    unsigned cuts = 0;

    (void)unused;
    for (unsigned i = 0; i < 30; i++) {
        struct world w;
        struct world_form form = large_form();
        world_make(&w, &form);
        for (unsigned j = 0; j < 12; j++, cuts++) {
            struct cut cut;
            size_t count = j ? world_random(w.steps + 1) : w.steps;
            world_image(&w, count, UINT32_MAX, seen);
            if (!world_judge(&w, seen, j ? DEMAND_NONE : DEMAND_ACKED, &cut))
                fail_msg("cut %zu of %zu: %s", count, w.steps, cut.why);
            free(cut.in);
        }
        world_free(&w);
    }
    printf("%u true cuts of large worlds, 32 operations at once: all accepted\n", cuts);
}

/* An operation that shows, was acknowledged before another that shows was sent, and hid a write
 * that had ended before it was sent: without it no order is left. */
static bool drop_for_certain(const struct world *w, size_t count, uint32_t *seen)
{
    const struct step *step = &w->step[world_random(count)];
    const struct operation *op = &w->history.op[step->op];
    uint32_t without[LARGE];
    uint64_t latest = 0;
    bool hides = false;

    world_image(w, count, UINT32_MAX, seen);
    world_image(w, count, step->op, without);
    for (uint64_t b = 0; b < LARGE; b++) {
        bool write = without[b] && without[b] < SEEN_CLEARED;
        hides |= write && seen[b] == step->op + 1 && w->history.op[without[b] - 1].ended < op->sent;
        if (write && w->history.op[without[b] - 1].sent > latest)
            latest = w->history.op[without[b] - 1].sent;
    }
    memcpy(seen, without, sizeof without);
    return hides && op->acked < latest;
}

static void certain_violations(void **unused)
{
    unsigned found = 0;

    (void)unused;
    while (found < 300) {
        struct world w;
        struct world_form form = large_form();
        world_make(&w, &form);
        for (unsigned tries = 0; tries < 40; tries++) {
            uint32_t seen[LARGE];
            struct cut cut;
            size_t count = w.steps / 2 + world_random(w.steps / 2);
            if (!drop_for_certain(&w, count, seen))
                continue;
            assert_false(world_judge(&w, seen, DEMAND_NONE, &cut));
            assert_true(cut.why[0]);
            free(cut.in);
            found++;
        }
        world_free(&w);
    }
    printf("%u writes dropped from the middle of large worlds: all found\n", found);
}

int main(void)
{
    const char *seed = getenv("CUT_SEED"), *many = getenv("CUT_WORLDS");
    uint64_t number =
        seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image),
        cmocka_unit_test(planted),
        cmocka_unit_test(true_cuts),
        cmocka_unit_test(certain_violations),
    };

    if (many)
        worlds = strtoull(many, NULL, 10);
    printf("CUT_SEED=%" PRIu64 "\n", number);
    world_seed(number);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
