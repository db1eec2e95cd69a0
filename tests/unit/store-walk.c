/* store-walk.c - does a store hold what a plain array of bytes would hold?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "request.h"

enum { LONGEST = 96 << 10 };

uint64_t test_seed(void)
{
    static uint64_t seed; /* one for the whole program, so that it can be given again */

    if (!seed) {
        const char *given = getenv("WEIR_SEED");
        seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) ^ (uint64_t)clock();
        seed = seed ? seed : 1;
        print_message("WEIR_SEED=%" PRIu64 "\n", seed);
    }
    return seed;
}

static uint64_t draw(struct walk *w)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

/* Threads must not longjmp out of cmocka's assertions. */
#define must(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "FAIL (seed in use %" PRIu64 "): ", w->seed);                          \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void must_match(struct walk *w, const char *is, uint64_t at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        must(is[i] == w->model[at + i], "byte %" PRIu64 " is %02x, not %02x", w->offset + at + i,
             is[i] & 0xff, w->model[at + i] & 0xff);
}

/* ---- one operation each ---------------------------------------------------------------------- */

static void walk_write(struct walk *w, uint64_t at, uint64_t length, char *data)
{
    uint32_t flags = draw(w) % 8 ? 0 : WEIR_FUA;

    for (uint64_t i = 0; i < length; i++)
        data[i] = (char)(draw(w) >> 32);
    int r = disk_do(w->disk, WEIR_WRITE, flags, w->offset + at, length, data);
    must(r == 0, "write: %s", strerror(-r));
    memcpy(w->model + at, data, length);
}

static void walk_read(struct walk *w, uint64_t at, uint64_t length, char *data)
{
    memset(data, 0x5a, length);
    int r = disk_do(w->disk, WEIR_READ, 0, w->offset + at, length, data);
    must(r == 0, "read: %s", strerror(-r));
    must_match(w, data, at, length);
}

/* Takes over what is there now: of each byte the old one, or zero. */
static void walk_adopt(struct walk *w, uint64_t at, uint64_t length, char *data, const char *after)
{
    int r = disk_do(w->disk, WEIR_READ, 0, w->offset + at, length, data);

    must(r == 0, "read after %s: %s", after, strerror(-r));
    for (uint64_t i = 0; i < length; i++)
        must(data[i] == 0 || data[i] == w->model[at + i], "%s made byte %" PRIu64 " anew", after,
             w->offset + at + i);
    memcpy(w->model + at, data, length);
}

static void walk_zero(struct walk *w, uint64_t at, uint64_t length, char *data)
{
    static const uint32_t all[] = { 0,
                                    WEIR_MAY_TRIM,
                                    WEIR_FAST_ZERO,
                                    WEIR_FUA,
                                    WEIR_MAY_TRIM | WEIR_FAST_ZERO,
                                    WEIR_MAY_TRIM | WEIR_FUA };
    uint32_t flags = all[draw(w) % (sizeof all / sizeof *all)];
    int r = disk_do(w->disk, WEIR_ZERO, flags, w->offset + at, length, NULL);

    /* qemu-nbd says so when it has zeroed whole clusters already and comes to the rest */
    if (r == -ENOTSUP && (flags & WEIR_FAST_ZERO)) {
        walk_adopt(w, at, length, data, "refused zero");
        return;
    }
    must(r == 0, "zero: %s", strerror(-r));
    memset(w->model + at, 0, length);
}

/* What a trim leaves is the old bytes or zeroes; whichever, it then stays. */
static void walk_trim(struct walk *w, uint64_t at, uint64_t length, char *data)
{
    int r = disk_do(w->disk, WEIR_TRIM, draw(w) % 4 ? 0 : WEIR_FUA, w->offset + at, length, NULL);

    must(r == 0, "trim: %s", strerror(-r));
    walk_adopt(w, at, length, data, "trim");
}

static void walk_extents(struct walk *w, uint64_t at, uint64_t length)
{
    struct weir_extents *list = weir_extents_create();
    uint64_t from, size, next = w->offset + at, end = next + length;
    bool one = draw(w) % 2;
    uint32_t type;

    int r = disk_do(w->disk, WEIR_EXTENTS, one ? WEIR_ONE_EXTENT : 0, next, length, list);
    must(r == 0, "extents: %s", strerror(-r));
    for (size_t i = 0; weir_get_extent(list, i, &from, &size, &type) == 0; i++) {
        must(from == next && size > 0, "extents leave a gap at %" PRIu64, next);
        next = from + size;
        for (uint64_t b = from; (type & WEIR_READS_ZERO) && b < next; b++)
            must(w->model[b - w->offset] == 0, "byte %" PRIu64 " is said to be zero", b);
    }
    must(one ? next > w->offset + at : next == end, "extents end at %" PRIu64, next);
    weir_extents_destroy(list);
}

static void walk_once(struct walk *w, char *data)
{
    uint64_t unit = w->disk->geometry.block_min;
    uint64_t longest = draw(w) % 4 ? 8 * unit + 4096 : LONGEST;
    uint64_t at = draw(w) % (w->length / unit) * unit;
    uint64_t length = (1 + draw(w) % (longest / unit)) * unit;

    if (length > w->length - at)
        length = w->length - at;
    switch (draw(w) % 12) {
    case 0 ... 3:
        walk_write(w, at, length, data);
        break;
    case 4 ... 6:
        walk_read(w, at, length, data);
        break;
    case 7:
        walk_zero(w, at, length, data);
        break;
    case 8:
        walk_trim(w, at, length, data);
        break;
    case 9:
        walk_extents(w, at, length);
        break;
    case 10:
        must(disk_do(w->disk, WEIR_FLUSH, 0, 0, 0, NULL) == 0, "flush fails");
        break;
    case 11:
        must(disk_do(w->disk, WEIR_PREFETCH, 0, w->offset + at, length, NULL) == 0,
             "prefetch fails");
        break;
    }
    atomic_fetch_add(&w->done, 1);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

void walk_check(struct walk *w)
{
    char *data = malloc(w->length);

    must(data, "no memory");
    walk_read(w, 0, w->length, data);
    free(data);
}

static void *walk_run(void *arg)
{
    struct walk *w = arg;
    /* odd on purpose: direct I/O must cope with memory that is not aligned */
    char *memory = malloc(LONGEST + 1);

    if (!w->model)
        w->model = calloc(1, w->length);
    must(memory && w->model, "no memory");
    for (unsigned i = 0; w->stop ? !atomic_load(w->stop) : i < w->rounds; i++)
        walk_once(w, memory + (draw(w) & 1));
    free(memory);
    return NULL;
}

void walks_start(struct walks *all, struct disk *d, unsigned threads, unsigned rounds)
{
    uint64_t unit = d->geometry.block_min;
    uint64_t part = d->geometry.size / threads / unit * unit;

    assert_true(threads <= WALKS_MAX);
    all->threads = threads;
    atomic_store(&all->stop, false);
    for (unsigned i = 0; i < threads; i++) {
        all->walk[i] = (struct walk){ .disk = d,
                                      .offset = i * part,
                                      .length = part,
                                      .rounds = rounds,
                                      .stop = rounds ? NULL : &all->stop,
                                      .seed = test_seed() * 2654435761u + i + 1 };
        assert_int_equal(pthread_create(&all->id[i], NULL, walk_run, &all->walk[i]), 0);
    }
}

uint64_t walks_done(struct walks *all)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < all->threads; i++)
        done += atomic_load(&all->walk[i].done);
    return done;
}

void walks_end(struct walks *all)
{
    atomic_store(&all->stop, true);
    for (unsigned i = 0; i < all->threads; i++) {
        pthread_join(all->id[i], NULL);
        walk_check(&all->walk[i]);
    }
}

void walks_finish(struct walks *all)
{
    for (unsigned i = 0; i < all->threads; i++)
        free(all->walk[i].model);
}

void walk_together(struct disk *d, unsigned threads, unsigned rounds)
{
    struct walks all;

    walks_start(&all, d, threads, rounds);
    walks_end(&all);
    walks_finish(&all);
}
