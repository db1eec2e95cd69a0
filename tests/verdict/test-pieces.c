/* test-pieces.c - does nothing below see a request that is longer than the longest?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

enum { MOST = 65536, LONG = 3 * MOST + 8192 };
static uint8_t buffer[LONG];

static int take_little(struct probe *p, struct weir_geometry *g, struct weir_text *why)
{
    (void)why;
    g->block_max = MOST;
    if (p->arg)
        g->block_min = 4096;
    return 0;
}

static void open_with_short_requests(void *blocks)
{
    probes[0].geometry = take_little;
    probes[0].arg = blocks;
    assert_int_equal(stage_open(2), 0);
}

static void saw_piece(unsigned n, uint64_t offset, uint64_t length, uint32_t flags)
{
    for (int who = STORE; who < 2; who++) {
        const struct seen *s = saw(who, who == STORE ? '=' : '>', n);
        assert_non_null(s);
        assert_int_equal(s->req.offset, offset);
        assert_int_equal(s->req.length, length);
        assert_int_equal(s->req.flags, flags);
    }
}

static void saw_pieces(uint32_t flags)
{
    for (unsigned n = 0; n < 3; n++)
        saw_piece(n, 512 + n * MOST, MOST, flags);
    saw_piece(3, 512 + 3 * MOST, LONG - 3 * MOST, flags);
    assert_null(saw(STORE, '=', 4));
    forget();
}

static void test_data_moves_in_pieces(void **state)
{
    static uint8_t back[LONG];

    (void)state;
    open_with_short_requests(NULL);
    for (int i = 0; i < LONG; i++)
        buffer[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    assert_int_equal(ask(WEIR_WRITE, 512, LONG, WEIR_FUA, buffer), 0);
    saw_pieces(WEIR_FUA);
    assert_memory_equal(store_disk + 512, buffer, LONG);
    assert_int_equal(ask(WEIR_READ, 512, LONG, 0, back), 0);
    saw_pieces(0);
    assert_memory_equal(back, buffer, LONG);
    assert_int_equal(ask(WEIR_WRITE, 0, MOST, 0, buffer), 0);
    saw_piece(0, 0, MOST, 0);
    assert_null(saw(STORE, '=', 1));
}

static void test_so_does_what_has_no_data(void **state)
{
    (void)state;
    open_with_short_requests(NULL);
    assert_int_equal(ask(WEIR_ZERO, 512, LONG, WEIR_FUA | WEIR_MAY_TRIM, NULL), 0);
    saw_pieces(WEIR_FUA | WEIR_MAY_TRIM);
    assert_int_equal(ask(WEIR_TRIM, 512, LONG, 0, NULL), 0);
    saw_pieces(0);
    assert_int_equal(ask(WEIR_PREFETCH, 512, LONG, 0, NULL), 0);
    saw_pieces(0);
}

static void test_a_flush_is_one(void **state)
{
    (void)state;
    open_with_short_requests(NULL);
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_string_equal(told(), "0>f 1>f s=f 1<f 0<f");
}

static void test_extents_of_the_first_piece_are_an_answer(void **state)
{
    (void)state;
    open_with_short_requests(NULL);
    assert_int_equal(ask_extents(512, LONG, 0), 0);
    assert_string_equal(told(), "0>e 1>e s=e 1<e 0<e");
    assert_int_equal(extent_count, 1);
    assert_int_equal(extent[0].offset, 512);
    assert_int_equal(extent[0].length, MOST);
}

static enum weir_verdict fail_the_second(struct probe *p, struct weir_request *req)
{
    return p->error++ == 1 ? weir_fail(req, ENOSPC) : WEIR_PASS;
}

static void test_an_error_ends_it(void **state)
{
    (void)state;
    probes[1].down = fail_the_second;
    open_with_short_requests(NULL);
    assert_int_equal(ask(WEIR_WRITE, 512, LONG, 0, buffer), ENOSPC);
    assert_string_equal(told(), "0>w 1>w s=w 1<w 0<w 0>w 1>w 0<w!ENOSPC");
}

static void test_a_piece_off_the_blocks_is_not_widened_beyond_the_longest(void **state)
{
    (void)state;
    open_with_short_requests(buffer);
    assert_int_equal(ask(WEIR_READ, 100, MOST, 0, buffer), 0);
    saw_piece(0, 0, MOST, 0);
    saw_piece(1, MOST, 4096, 0);
    assert_null(saw(STORE, '=', 2));
    forget();
    memset(buffer, 0x5a, LONG);
    assert_int_equal(ask(WEIR_WRITE, 100, LONG, 0, buffer), 0);
    for (unsigned n = 0; saw(STORE, '=', n); n++) {
        const struct weir_request *seen_by_store = &saw(STORE, '=', n)->req;
        assert_true(seen_by_store->length <= MOST);
        assert_int_equal((seen_by_store->offset | seen_by_store->length) % 4096, 0);
    }
    assert_memory_equal(store_disk + 100, buffer, LONG);
    assert_int_equal(store_disk[99], 0);
    assert_int_equal(store_disk[100 + LONG], 0);
}

/* What stands below probe 0 takes as little as it. */
static void test_derived_io_comes_in_pieces_as_well(void **state)
{
    (void)state;
    probes[1].geometry = take_little;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_zero(probes[0].below, LONG, 512, 0), 0);
    assert_int_equal(weir_trim(probes[0].below, LONG, 512, 0), 0);
    for (unsigned n = 0; n < 8; n++)
        assert_true(saw(1, '>', n)->req.length <= MOST);
    assert_null(saw(1, '>', 8));
}

static int make_odd(struct probe *p, struct weir_geometry *g, struct weir_text *why)
{
    (void)p;
    (void)why;
    g->block_min = 4096;
    g->size -= 512;
    return 0;
}

/* Its last block would be one that nobody can read. */
static void test_a_disk_is_made_of_whole_blocks(void **state)
{
    (void)state;
    probes[0].geometry = make_odd;
    assert_int_equal(stage_open(2), -EINVAL);
    assert_non_null(strstr(stage_why, "bytes, which is not a multiple of its blocks of 4096"));
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_READ, 0, 4096, 0, buffer), EIO);
    probes[0].geometry = NULL;
    stage_close();
    assert_int_equal(stage_open(2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_data_moves_in_pieces),
        STAGE_TEST(test_so_does_what_has_no_data),
        STAGE_TEST(test_a_flush_is_one),
        STAGE_TEST(test_extents_of_the_first_piece_are_an_answer),
        STAGE_TEST(test_an_error_ends_it),
        STAGE_TEST(test_a_piece_off_the_blocks_is_not_widened_beyond_the_longest),
        STAGE_TEST(test_derived_io_comes_in_pieces_as_well),
        STAGE_TEST(test_a_disk_is_made_of_whole_blocks),
    };
    return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
