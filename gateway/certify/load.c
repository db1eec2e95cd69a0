/* load.c - what do the kit's clients ask for, and do they get what they wrote?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { LONGEST = 192 << 10, LEAST = 100 /* requests */ };

/* ---- with a model ------------------------------------------------------------------ */

void area_create(struct area *a, struct kit *k, uint64_t at, uint64_t size)
{
    *a = (struct area){ .kit = k,
                        .at = at,
                        .size = size,
                        .random = next_random(&k->random),
                        .unit = 1,
                        .what = "",
                        .model = calloc(1, size) };
    if (!a->model)
        fail(k, "no memory");
    int error = ask(k, WEIR_ZERO, at, size, 0, NULL);
    if (error)
        fail(k, "a zero of %" PRIu64 " bytes failed with %s", size, errno_word(error));
}

void area_finish(struct area *a)
{
    free(a->model);
    a->model = NULL;
}

static void must_succeed(struct area *a, int error, const char *op, uint64_t length, uint64_t at)
{
    if (error)
        fail(a->kit, "a %s of %" PRIu64 " bytes at %" PRIu64 " failed with %s%s", op, length, at,
             errno_word(error), a->what);
}

static void compare(struct area *a, const uint8_t *data, uint64_t length, uint64_t at)
{
    const uint8_t *model = a->model + (at - a->at);

    if (memcmp(data, model, length) == 0)
        return;
    uint64_t i = 0;
    while (data[i] == model[i])
        i++;
    fail(a->kit,
         "a read of %" PRIu64 " bytes at %" PRIu64 " has 0x%02x at byte %" PRIu64
         ", where 0x%02x was written%s",
         length, at, data[i], i, model[i], a->what);
}

static void fill(uint8_t *data, uint64_t length, uint64_t *random)
{
    for (uint64_t i = 0; i < length; i += 8) {
        uint64_t word = next_random(random);
        memcpy(data + i, &word, length - i < 8 ? length - i : 8);
    }
}

/* Where it begins and ends: anywhere, or close to the edge of a block. */
static void choose(struct area *a, uint64_t *at, uint64_t *length)
{
    const uint64_t bits = next_random(&a->random);
    uint64_t most = bits & 3 ? 16 << 10 : LONGEST;

    *length = next_random(&a->random) % most + 1;
    *at = next_random(&a->random) % a->size;
    if (bits & 4) { /* the edge of a block of 512 bytes to 64 KiB, give or take one */
        uint64_t block = UINT64_C(512) << (bits >> 8) % 8;
        *at = *at / block * block + ((bits >> 16) & 1 ? 0 : (bits >> 17) % 3);
        *length = *length / block * block + (bits >> 20) % 3;
    }
    *at = *at / a->unit * a->unit;
    *length = (*length + a->unit - 1) / a->unit * a->unit;
    if (*at >= a->size)
        *at = 0;
    if (!*length)
        *length = a->unit;
    if (*length > a->size - *at)
        *length = a->size - *at;
}

/* What a trim leaves is the disk's to choose, but it stays so. */
static void do_trim(struct area *a, uint64_t length, uint64_t at, uint32_t flags)
{
    must_succeed(a, ask(a->kit, WEIR_TRIM, at, length, flags, NULL), "trim", length, at);
    must_succeed(a, ask(a->kit, WEIR_READ, at, length, 0, a->model + (at - a->at)), "read", length,
                 at);
}

static void do_extents(struct area *a, uint64_t length, uint64_t at)
{
    struct weir_extents *extents = weir_extents_create();
    uint64_t from, size;
    uint32_t type;

    if (!extents)
        fail(a->kit, "no memory");
    must_succeed(a, ask(a->kit, WEIR_EXTENTS, at, length, 0, extents), "extents", length, at);
    for (size_t i = 0; weir_get_extent(extents, i, &from, &size, &type) == 0; i++)
        for (uint64_t b = from; type & WEIR_READS_ZERO && b < from + size; b++)
            if (b >= a->at && b < a->at + a->size && a->model[b - a->at])
                fail(a->kit, "extents say that byte %" PRIu64 " reads as zero, and it does not", b);
    weir_extents_destroy(extents);
}

static void one(struct area *a, uint8_t *data)
{
    static const char kinds[] = "rrrrrrrwwwwwwwwzztef";
    const char kind = kinds[next_random(&a->random) % (sizeof(kinds) - 1)];
    const uint32_t flags = next_random(&a->random) % 8 ? 0 : WEIR_FUA;
    uint64_t at, length;

    choose(a, &at, &length);
    uint8_t *model = a->model + at;
    at += a->at;
    switch (kind) {
    case 'r':
        must_succeed(a, ask(a->kit, WEIR_READ, at, length, 0, data), "read", length, at);
        compare(a, data, length, at);
        return;
    case 'w':
        fill(model, length, &a->random);
        memcpy(data, model, length); /* the model is not what the filter is given */
        must_succeed(a, ask(a->kit, WEIR_WRITE, at, length, flags, data), "write", length, at);
        return;
    case 'z':
        memset(model, 0, length);
        must_succeed(a,
                     ask(a->kit, WEIR_ZERO, at, length,
                         flags | (next_random(&a->random) & 1 ? WEIR_MAY_TRIM : 0), NULL),
                     "zero", length, at);
        return;
    case 't':
        do_trim(a, length, at, flags);
        return;
    case 'e':
        do_extents(a, length, at);
        return;
    default:
        must_succeed(a, ask(a->kit, WEIR_FLUSH, 0, 0, 0, NULL), "flush", 0, 0);
    }
}

void area_compare(struct area *a)
{
    cleanup_free uint8_t *data = malloc(LONGEST);

    for (uint64_t at = 0, length; data && at < a->size; at += length) {
        length = a->size - at < LONGEST ? a->size - at : LONGEST;
        must_succeed(a, ask(a->kit, WEIR_READ, a->at + at, length, 0, data), "read", length,
                     a->at + at);
        compare(a, data, length, a->at + at);
    }
}

void area_work(struct area *a)
{
    const uint64_t began = now_ns();
    cleanup_free uint8_t *data = malloc(LONGEST);

    if (!data)
        fail(a->kit, "no memory");
    for (uint64_t n = 0; a->count ? n < a->count : n < LEAST || time_left(a->kit, began); n++)
        one(a, data);
}

static void *area_run(void *arg)
{
    area_work(arg);
    return NULL;
}

void area_start(struct area *a)
{
    if (pthread_create(&a->thread, NULL, area_run, a))
        fail(a->kit, "no thread");
}

void area_join(struct area *a)
{
    pthread_join(a->thread, NULL);
}

/* ---- without ----------------------------------------------------------------------- */

static void *load_run(void *arg)
{
    static const enum weir_op ops[] = { WEIR_READ, WEIR_WRITE, WEIR_READ, WEIR_WRITE,
                                        WEIR_ZERO, WEIR_FLUSH, WEIR_TRIM, WEIR_WRITE };
    struct load *l = arg;
    uint64_t random = atomic_fetch_add(&l->random, 1);
    cleanup_free char *data = calloc(1, 64 << 10);

    while (data && !atomic_load(&l->stop)) {
        const enum weir_op op = ops[next_random(&random) % (sizeof(ops) / sizeof(*ops))];
        uint64_t length = op == WEIR_FLUSH ? 0 : (next_random(&random) % 16 + 1) * 4096;
        uint64_t at = op == WEIR_FLUSH ? 0 : next_random(&random) % (l->size - length) / 512 * 512;
        if (op == WEIR_WRITE)
            memset(data, (int)random, length);
        atomic_fetch_add(&l->asked, 1);
        int error = ask(l->kit, op, op == WEIR_FLUSH ? 0 : l->at + at, length, 0, data);
        atomic_fetch_add(&l->answered, 1);
        if (!error)
            continue;
        atomic_fetch_add(&l->failed, 1);
        if (!l->errors_are_fine)
            fail(l->kit, "a request of %" PRIu64 " bytes at %" PRIu64 " failed with %s", length,
                 l->at + at, errno_word(error));
    }
    return NULL;
}

void load_start(struct load *l, struct kit *k, uint64_t at, uint64_t size, unsigned threads)
{
    l->kit = k;
    l->at = at;
    l->size = size;
    l->threads = threads;
    atomic_store(&l->random, next_random(&k->random));
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&l->thread[i], NULL, load_run, l))
            fail(k, "no thread");
}

void load_end(struct load *l)
{
    atomic_store(&l->stop, true);
    for (unsigned i = 0; i < l->threads; i++)
        pthread_join(l->thread[i], NULL);
    if (atomic_load(&l->asked) != atomic_load(&l->answered))
        fail(l->kit, "of %" PRIu64 " requests %" PRIu64 " were answered", atomic_load(&l->asked),
             atomic_load(&l->answered));
}
