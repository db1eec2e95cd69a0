/* test-align.c - do requests off the disk's blocks do what they say, and stay unseen below?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "export.h"
#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { BLOCK = 512, SIZE = 16 * BLOCK, ROUNDS = 20000, WRITERS = 8 };

/* A store that ends the test when it sees half a block. */
static char disk[SIZE];

static int open_disk(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    (void)self, (void)image, (void)config, (void)why;
    memset(disk, 0, sizeof disk);
    return 0;
}

static void shape(void *self, struct weir_geometry *g)
{
    (void)self;
    *g = (struct weir_geometry){ .size = SIZE,
                                 .block_min = BLOCK,
                                 .block_preferred = BLOCK,
                                 .block_max = 1 << 20,
                                 .ops = WEIR_ALL_OPS & ~WEIR_OP(WEIR_EXTENTS) };
}

static int serve(void *self, struct weir_request *r)
{
    (void)self;
    if ((r->offset | r->length) % BLOCK)
        return -EBADMSG;
    if (r->op == WEIR_READ)
        memcpy(r->data, disk + r->offset, r->length);
    else if (r->op == WEIR_WRITE)
        memcpy(disk + r->offset, r->data, r->length);
    else if (r->op == WEIR_ZERO)
        memset(disk + r->offset, 0, r->length);
    else if (r->op == WEIR_TRIM)
        memset(disk + r->offset, 'T', r->length);
    return 0;
}

static void close_disk(void *self)
{
    (void)self;
}

static const struct store_type store = {
    .name = "blocks",
    .open = open_disk,
    .geometry = shape,
    .serve = serve,
    .close = close_disk,
};

static int set_up(void **state)
{
    struct export_config config = { .name = strdup("disk") };
    struct plan plan = { 0 };
    struct export *e;

    if (datastore_create(&(struct datastore_setup){ .type = &store }, &config.datastore) ||
        export_create(&config, &plan, &e) || export_open(e, NULL))
        return -1;
    *state = e;
    return 0;
}

static int tear_down(void **state)
{
    export_unref(*state);
    return 0;
}

static int io(struct export *e, enum weir_op op, uint64_t offset, uint64_t length, void *data,
              uint32_t flags)
{
    struct weir_request r = {
        .op = op,
        .offset = offset,
        .length = length,
        .data = data,
        .flags = flags,
    };

    return export_serve(e, &r);
}

static void any_range_reads_what_was_written(void **state)
{
    unsigned seed =
        getenv("WEIR_SEED") ? (unsigned)atoi(getenv("WEIR_SEED")) : (unsigned)time(NULL);
    char model[SIZE] = { 0 }, buffer[SIZE];

    print_message("seed %u\n", seed);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t offset = (uint64_t)rand_r(&seed) % SIZE;
        uint64_t length = 1 + (uint64_t)rand_r(&seed) % (SIZE - offset);
        if (length > 3 * BLOCK)
            length = 1 + length % (3 * BLOCK);
        int what = rand_r(&seed) % 3;
        if (what == 0) {
            memset(buffer, 1 + i % 250, length);
            memset(model + offset, 1 + i % 250, length);
            assert_int_equal(io(*state, WEIR_WRITE, offset, length, buffer, i & WEIR_FUA), 0);
        } else if (what == 1) {
            memset(model + offset, 0, length);
            assert_int_equal(io(*state, WEIR_ZERO, offset, length, NULL, WEIR_MAY_TRIM), 0);
        } else {
            assert_int_equal(io(*state, WEIR_READ, offset, length, buffer, 0), 0);
            assert_memory_equal(buffer, model + offset, length);
        }
    }
    assert_memory_equal(disk, model, SIZE);
}

static void trim_leaves_what_is_not_a_whole_block(void **state)
{
    assert_int_equal(io(*state, WEIR_TRIM, 1, 2 * BLOCK, NULL, 0), 0);
    assert_int_equal(disk[BLOCK - 1], 0);
    assert_int_equal(disk[BLOCK], 'T');
    assert_int_equal(disk[2 * BLOCK - 1], 'T');
    assert_int_equal(disk[2 * BLOCK], 0);
    assert_int_equal(io(*state, WEIR_TRIM, 3 * BLOCK + 1, BLOCK, NULL, 0), 0);
    assert_int_equal(disk[3 * BLOCK + 1], 0);
}

static void fast_zero_off_blocks_is_refused(void **state)
{
    assert_int_equal(io(*state, WEIR_ZERO, 1, BLOCK, NULL, WEIR_FAST_ZERO), EOPNOTSUPP);
    assert_int_equal(io(*state, WEIR_ZERO, 0, BLOCK, NULL, WEIR_FAST_ZERO), 0);
}

static void out_of_range_is_refused(void **state)
{
    char byte;

    assert_int_equal(io(*state, WEIR_READ, SIZE, 1, &byte, 0), EINVAL);
    assert_int_equal(io(*state, WEIR_READ, UINT64_MAX, 2, &byte, 0), EINVAL);
    assert_int_equal(io(*state, WEIR_READ, SIZE - 1, 2, &byte, 0), EINVAL);
    assert_int_equal(io(*state, WEIR_READ, SIZE - 1, 1, &byte, 0), 0);
}

struct writer {
    struct export *export;
    unsigned byte;
};

static void *write_own_byte(void *arg)
{
    struct writer *w = arg;

    for (int i = 1; i <= 5000; i++) {
        char value = (char)i;
        if (io(w->export, WEIR_WRITE, w->byte, 1, &value, 0))
            return w;
    }
    return NULL;
}

/* Each thread owns one byte of the same block: a lost update leaves an old value. */
static void neighbours_in_a_block_do_not_lose_updates(void **state)
{
    pthread_t thread[WRITERS];
    struct writer w[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){ *state, i };
        assert_int_equal(pthread_create(&thread[i], NULL, write_own_byte, &w[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(disk[i], (char)5000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(any_range_reads_what_was_written),
        CASE(trim_leaves_what_is_not_a_whole_block),
        CASE(fast_zero_off_blocks_is_refused),
        CASE(out_of_range_is_refused),
        CASE(neighbours_in_a_block_do_not_lose_updates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
