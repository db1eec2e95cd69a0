/* test-values.c - which offset, length, flags, data and scratch does each filter see?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[8192];

static void assert_same(const struct seen *a, const struct seen *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->req.op, b->req.op);
    assert_int_equal(a->req.flags, b->req.flags);
    assert_int_equal(a->req.offset, b->req.offset);
    assert_int_equal(a->req.length, b->req.length);
    assert_ptr_equal(a->req.data, b->req.data);
}

static uint8_t other[8192];

static enum weir_verdict change_all(struct probe *p, struct weir_request *req)
{
    (void)p;
    req->offset += 65536;
    req->length = 1024;
    req->flags = WEIR_FUA;
    req->data = other;
    return WEIR_PASS;
}

static void check_changes(int answer)
{
    forget();
    assert_int_equal(ask(WEIR_WRITE, 512, 4096, 0, buffer), answer);
    assert_same(saw(0, '<', 0), saw(0, '>', 0));
    assert_int_equal(saw(0, '<', 0)->req.offset, 512);
    assert_int_equal(saw(0, '<', 0)->req.length, 4096);
    assert_int_equal(saw(0, '<', 0)->req.flags, 0);
    assert_ptr_equal(saw(0, '<', 0)->req.data, buffer);
    assert_int_equal(saw(2, '>', 0)->req.offset, 512 + 65536);
    assert_int_equal(saw(2, '>', 0)->req.length, 1024);
    assert_int_equal(saw(2, '>', 0)->req.flags, WEIR_FUA);
    assert_ptr_equal(saw(2, '>', 0)->req.data, other);
}

static enum weir_verdict refuse(struct probe *p, struct weir_request *req)
{
    (void)p;
    return weir_fail(req, ENOSPC);
}

static enum weir_verdict complete(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    return WEIR_COMPLETE;
}

static void test_changes_reach_those_below_only(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    probes[1].down = change_all;
    check_changes(0);
    assert_int_equal(saw(STORE, '=', 0)->req.offset, 512 + 65536);
    assert_same(saw(2, '<', 0), saw(2, '>', 0));
    assert_same(saw(1, '<', 0), saw(1, '>', 0)); /* its own up() as its down() found them */
    probes[2].down = refuse;
    check_changes(ENOSPC);
    probes[2].down = complete;
    check_changes(0);
}

/* What a filter did to a request before it refused or answered it is nobody's business. */
static enum weir_verdict change_and_fail(struct probe *p, struct weir_request *req)
{
    change_all(p, req);
    return weir_fail(req, ENOSPC);
}

static void test_changes_before_a_refusal_are_undone(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    probes[1].down = change_and_fail;
    assert_int_equal(ask(WEIR_WRITE, 512, 4096, 0, buffer), ENOSPC);
    assert_same(saw(0, '<', 0), saw(0, '>', 0));
}

static void test_changes_on_the_way_up_are_undone(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    probes[2].up = change_all;
    assert_int_equal(ask(WEIR_WRITE, 512, 4096, 0, buffer), 0);
    assert_same(saw(1, '<', 0), saw(1, '>', 0));
    assert_same(saw(0, '<', 0), saw(0, '>', 0));
}

/* Two filters that move the request: each sees its own values again. */
static void test_changes_nest(void **state)
{
    (void)state;
    assert_int_equal(stage_open(4), 0);
    probes[1].down = change_all;
    probes[2].down = change_all;
    assert_int_equal(ask(WEIR_READ, 0, 4096, 0, buffer), 0);
    assert_int_equal(saw(STORE, '=', 0)->req.offset, 131072);
    assert_same(saw(3, '<', 0), saw(3, '>', 0));
    assert_same(saw(0, '<', 0), saw(0, '>', 0));
    assert_int_equal(saw(1, '>', 0)->req.offset, 0);
    assert_int_equal(saw(2, '>', 0)->req.offset, 65536);
}

/* ---- bounce buffers ---------------------------------------------------------- */

static enum weir_verdict bounce_and_flip(struct probe *p, struct weir_request *req)
{
    uint8_t *data = weir_bounce(req);

    if (!data)
        return weir_fail(req, ENOMEM);
    p->arg = data;
    must(data == req->data);
    if (req->op == WEIR_WRITE)
        for (uint64_t i = 0; i < req->length; i++)
            data[i] ^= 0xff;
    return WEIR_PASS;
}

static enum weir_verdict check_bounced(struct probe *p, struct weir_request *req)
{
    must(weir_bounce(req) == p->arg);
    must(req->data == buffer);
    return WEIR_PASS;
}

static void bounce_in_the_middle(void)
{
    probes[1].down = bounce_and_flip;
    probes[1].up = check_bounced;
    assert_int_equal(stage_open(3), 0);
    memset(buffer, 0x11, sizeof(buffer));
}

static void test_bounced_write_leaves_the_client_alone(void **state)
{
    (void)state;
    bounce_in_the_middle();
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), 0);
    assert_int_equal(buffer[0], 0x11);
    assert_int_equal(buffer[4095], 0x11);
    assert_int_equal(store_disk[0], 0xee);
    assert_int_equal(store_disk[4095], 0xee);
    assert_ptr_equal(saw(0, '<', 0)->req.data, buffer);
    assert_ptr_not_equal(saw(2, '>', 0)->req.data, buffer);
}

static void test_bounce_is_undone_on_failure(void **state)
{
    (void)state;
    bounce_in_the_middle();
    probes[2].down = refuse;
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), ENOSPC);
    assert_int_equal(buffer[0], 0x11);
    assert_int_equal(store_disk[0], 0);
    assert_ptr_equal(saw(0, '<', 0)->req.data, buffer);
}

static enum weir_verdict bounce_and_fail(struct probe *p, struct weir_request *req)
{
    bounce_and_flip(p, req);
    return weir_fail(req, ENOSPC);
}

static void test_bounce_is_undone_when_its_filter_refuses(void **state)
{
    (void)state;
    bounce_in_the_middle();
    probes[1].down = bounce_and_fail;
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), ENOSPC);
    assert_ptr_equal(saw(0, '<', 0)->req.data, buffer);
    assert_int_equal(buffer[0], 0x11);
}

/* READ: those below filled the bounce buffer; the filter copies what it wants to show. */
static enum weir_verdict copy_flipped(struct probe *p, struct weir_request *req)
{
    const uint8_t *from = weir_bounce(req);
    uint8_t *to = req->data;

    must(from == p->arg);
    must(to == buffer);
    for (uint64_t i = 0; i < req->length; i++)
        to[i] = from[i] ^ 0xff;
    return WEIR_PASS;
}

static void test_bounced_read(void **state)
{
    (void)state;
    bounce_in_the_middle();
    probes[1].up = copy_flipped;
    memset(store_disk, 0x22, 4096);
    assert_int_equal(ask(WEIR_READ, 0, 4096, 0, buffer), 0);
    assert_int_equal(buffer[0], 0xdd);
    assert_int_equal(buffer[4095], 0xdd);
}

static enum weir_verdict bounce_twice(struct probe *p, struct weir_request *req)
{
    bounce_and_flip(p, req);
    return bounce_and_flip(p, req);
}

static void test_bounces_of_several_filters_and_twice(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        probes[i].down = bounce_and_flip;
    probes[2].down = bounce_twice;
    assert_int_equal(stage_open(3), 0);
    memset(buffer, 0x11, sizeof(buffer));
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), 0);
    assert_int_equal(store_disk[0], 0x11); /* flipped four times */
    assert_int_equal(buffer[0], 0x11);
}

/* ---- scratch ----------------------------------------------------------------- */

static enum weir_verdict check_zero_and_soil(struct probe *p, struct weir_request *req)
{
    static const uint8_t zero[64];
    uint8_t *scratch = weir_scratch(req);

    must((uintptr_t)scratch % _Alignof(max_align_t) == 0);
    must(memcmp(scratch, zero, sizeof(zero)) == 0);
    memset(scratch, 0xa0 + p->index, sizeof(zero));
    return WEIR_PASS;
}

static enum weir_verdict check_soiled(struct probe *p, struct weir_request *req)
{
    const uint8_t *scratch = weir_scratch(req);

    for (int i = 0; i < 64; i++)
        must(scratch[i] == 0xa0 + p->index);
    return WEIR_PASS;
}

static void test_scratch_is_zero_and_ones_own(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        probes[i].down = check_zero_and_soil;
        probes[i].up = check_soiled;
    }
    probes[3].library.filter.request_size = 64;
    assert_int_equal(stage_open(4), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

/* ---- options ----------------------------------------------------------------- */

static enum weir_verdict note_config(struct probe *p, struct weir_request *req)
{
    p->arg = (void *)(uintptr_t)weir_config(req);
    return WEIR_PASS;
}

static enum weir_verdict change_option(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    must(export_set_option(stage, "probe0", "level", "77", NULL) == 0);
    return WEIR_PASS;
}

static enum weir_verdict check_config(struct probe *p, struct weir_request *req)
{
    must(weir_config(req) == p->arg);
    must(((const int64_t *)weir_config(req))[1] == 0);
    return WEIR_PASS;
}

static void test_a_request_sees_one_set_of_options(void **state)
{
    (void)state;
    probes[0].down = note_config;
    probes[0].up = check_config;
    probes[1].down = change_option;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    probes[0].up = NULL;
    probes[1].down = NULL;
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_int_equal(((const int64_t *)probes[0].arg)[1], 77); /* the next one sees the new */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_changes_reach_those_below_only),
        STAGE_TEST(test_changes_before_a_refusal_are_undone),
        STAGE_TEST(test_changes_on_the_way_up_are_undone),
        STAGE_TEST(test_changes_nest),
        STAGE_TEST(test_bounced_write_leaves_the_client_alone),
        STAGE_TEST(test_bounce_is_undone_on_failure),
        STAGE_TEST(test_bounce_is_undone_when_its_filter_refuses),
        STAGE_TEST(test_bounced_read),
        STAGE_TEST(test_bounces_of_several_filters_and_twice),
        STAGE_TEST(test_scratch_is_zero_and_ones_own),
        STAGE_TEST(test_a_request_sees_one_set_of_options),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
