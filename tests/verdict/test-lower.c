/* test-lower.c - what becomes of an operation that a filter does not understand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static const uint32_t basic = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_FLUSH);
static uint8_t buffer[4096];

static void open_with_basic_middle(void)
{
    probes[1].library.filter.ops = basic;
    assert_int_equal(stage_open(3), 0);
    memset(store_disk, 0x55, sizeof(store_disk));
}

static void test_zero_becomes_writes(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_ZERO, 512, 4096, 0, NULL), 0);
    assert_string_equal(told(), "0>z 1>w 2>w s=w 2<w 1<w 0<z");
    assert_int_equal(saw(1, '>', 0)->req.offset, 512);
    assert_int_equal(saw(1, '>', 0)->req.length, 4096);
    assert_int_equal(store_disk[511], 0x55);
    assert_int_equal(store_disk[512], 0);
    assert_int_equal(store_disk[512 + 4095], 0);
    assert_int_equal(store_disk[512 + 4096], 0x55);
}

/* The writes are the client's request in other words, not the filter's own work. */
static void test_lowered_writes_are_not_derived(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_ZERO, 0, 4096, WEIR_FUA, NULL), 0);
    assert_int_equal(saw(1, '>', 0)->req.flags, WEIR_FUA);
    assert_int_equal(saw(STORE, '=', 0)->req.flags, WEIR_FUA);
}

static void test_a_large_zero_becomes_writes_of_the_largest_block(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_ZERO, 0, DISK, 0, NULL), 0);
    for (size_t i = 0; i < DISK; i++)
        if (store_disk[i])
            fail_msg("byte %zu is not zero", i);
}

static int small_blocks(struct probe *p, struct weir_geometry *geometry, struct weir_text *why)
{
    (void)p;
    (void)why;
    geometry->block_max = 65536;
    return 0;
}

static void test_lowered_writes_respect_the_largest_block(void **state)
{
    (void)state;
    probes[1].geometry = small_blocks;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_ZERO, 0, 200000, 0, NULL), 0);
    uint64_t end = 0;
    for (unsigned i = 0; saw(1, '>', i); i++) {
        assert_true(saw(1, '>', i)->req.length <= 65536);
        assert_int_equal(saw(1, '>', i)->req.offset, end);
        end += saw(1, '>', i)->req.length;
    }
    assert_int_equal(end, 200000);
}

static enum weir_verdict refuse(struct probe *p, struct weir_request *req)
{
    (void)p;
    return weir_fail(req, ENOSPC);
}

static void test_a_failed_lowered_write_fails_the_zero(void **state)
{
    (void)state;
    open_with_basic_middle();
    probes[2].down = refuse;
    assert_int_equal(ask(WEIR_ZERO, 0, 4096, 0, NULL), ENOSPC);
    assert_string_equal(told(), "0>z 1>w 2>w 1<w!ENOSPC 0<z!ENOSPC");
}

static void test_fast_zero_is_refused(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_ZERO, 0, 4096, WEIR_FAST_ZERO, NULL), ENOTSUP);
    assert_string_equal(told(), "0>z 0<z!ENOTSUP");
    assert_int_equal(store_disk[0], 0x55);
}

static void test_trim_and_prefetch_become_nothing(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_TRIM, 0, 4096, 0, NULL), 0);
    assert_int_equal(ask(WEIR_PREFETCH, 0, 4096, 0, NULL), 0);
    assert_string_equal(told(), "0>t 0<t 0>p 0<p");
    assert_int_equal(store_disk[0], 0x55);
}

/* FUA promises that what was acknowledged before is durable as well: a flush stays. */
static void test_trim_with_fua_becomes_a_flush(void **state)
{
    (void)state;
    open_with_basic_middle();
    assert_int_equal(ask(WEIR_TRIM, 0, 4096, WEIR_FUA, NULL), 0);
    assert_string_equal(told(), "0>t 1>f 2>f s=f 2<f 1<f 0<t");
}

static int holes(struct weir_request *req)
{
    if (req->op != WEIR_EXTENTS)
        return store_like_a_disk(req);
    return weir_add_extent(req->data, req->offset, req->length, WEIR_HOLE | WEIR_READS_ZERO);
}

static void test_extents_become_all_data(void **state)
{
    (void)state;
    store_answer = holes;
    open_with_basic_middle();
    assert_int_equal(ask_extents(4096, 65536, 0), 0);
    assert_string_equal(told(), "0>e 0<e");
    assert_int_equal(extent_count, 1);
    assert_int_equal(extent[0].offset, 4096);
    assert_int_equal(extent[0].length, 65536);
    assert_int_equal(extent[0].type, 0);
}

static void test_understood_operations_are_not_lowered(void **state)
{
    (void)state;
    store_answer = holes;
    probes[1].library.filter.ops = basic | WEIR_OP(WEIR_ZERO) | WEIR_OP(WEIR_EXTENTS);
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_ZERO, 0, 4096, WEIR_MAY_TRIM, NULL), 0);
    assert_string_equal(told(), "0>z 1>z 2>z s=z 2<z 1<z 0<z");
    assert_int_equal(ask_extents(0, 65536, 0), 0);
    assert_int_equal(extent[0].type, WEIR_HOLE | WEIR_READS_ZERO);
}

/* A filter that needs order, but knows no zeroes: the zero must not wait for itself. */
static void test_lowered_zero_through_a_filter_that_needs_order(void **state)
{
    struct client c;

    (void)state;
    probes[1].library.filter.flags = WEIR_NEEDS_ORDER;
    open_with_basic_middle();
    client_start(&c, WEIR_ZERO, 0, 4096, NULL);
    assert_int_equal(client_wait(&c), 0);
    assert_int_equal(store_disk[0], 0);
    client_start(&c, WEIR_TRIM, 0, 4096, NULL);
    assert_int_equal(client_wait(&c), 0);
}

/* Two such filters, one above the other. */
static void test_lowered_twice(void **state)
{
    (void)state;
    probes[1].library.filter.ops = basic | WEIR_OP(WEIR_ZERO);
    probes[2].library.filter.ops = basic;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_ZERO, 0, 4096, 0, NULL), 0);
    assert_string_equal(told(), "0>z 1>z 2>w s=w 2<w 1<z 0<z");
    forget();
    assert_int_equal(ask(WEIR_PREFETCH, 0, 4096, 0, NULL), 0);
    assert_string_equal(told(), "0>p 0<p");
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_zero_becomes_writes),
        STAGE_TEST(test_lowered_writes_are_not_derived),
        STAGE_TEST(test_a_large_zero_becomes_writes_of_the_largest_block),
        STAGE_TEST(test_lowered_writes_respect_the_largest_block),
        STAGE_TEST(test_a_failed_lowered_write_fails_the_zero),
        STAGE_TEST(test_fast_zero_is_refused),
        STAGE_TEST(test_trim_and_prefetch_become_nothing),
        STAGE_TEST(test_trim_with_fua_becomes_a_flush),
        STAGE_TEST(test_extents_become_all_data),
        STAGE_TEST(test_understood_operations_are_not_lowered),
        STAGE_TEST(test_lowered_zero_through_a_filter_that_needs_order),
        STAGE_TEST(test_lowered_twice),
    };
    return cmocka_run_group_tests_name("lower", tests, NULL, NULL);
}
