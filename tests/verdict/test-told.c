/* test-told.c - for each operation and verdict at each place: who is told what?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

enum { CHAIN = 3 };

static const enum weir_op all_ops[] = { WEIR_READ, WEIR_WRITE,    WEIR_FLUSH,  WEIR_TRIM,
                                        WEIR_ZERO, WEIR_PREFETCH, WEIR_EXTENTS };
enum { OPS = sizeof(all_ops) / sizeof(*all_ops) };

static uint8_t buffer[4096];
static int store_error;

static int store_fails(struct weir_request *req)
{
    return store_error ? -store_error : store_like_a_disk(req);
}

static int ask_any(enum weir_op op)
{
    if (op == WEIR_FLUSH)
        return ask(op, 0, 0, 0, NULL);
    if (op == WEIR_EXTENTS)
        return ask_extents(4096, sizeof(buffer), 0);
    return ask(op, 4096, sizeof(buffer), 0, op <= WEIR_WRITE ? buffer : NULL);
}

/* ---- what the answer should be: the rules of the design, spelled out once ---- */

static char expected[512];

static void expect(int who, char side, enum weir_op op, int error)
{
    size_t at = strlen(expected);
    const char *name = side == '<' ? error_name(error) : "";

    snprintf(expected + at, sizeof(expected) - at, "%s%c%c%c%s%s", at ? " " : "",
             who == STORE ? 's' : '0' + who, side, "rwftzpe"[op], *name ? "!" : "", name);
}

/* The walk of `op` when probe `place` gives `down` and, on the way up, `up`; -1: nobody. */
static int expect_walk(enum weir_op op, int down_place, enum weir_verdict down, int up_place,
                       enum weir_verdict up)
{
    int error = 0, bottom = CHAIN;

    expected[0] = '\0';
    for (int i = 0; i < bottom; i++) {
        expect(i, '>', op, 0);
        if (i == down_place && down != WEIR_PASS) {
            error = down == WEIR_FAIL ? ENOSPC : 0;
            bottom = i;
        }
    }
    if (bottom == CHAIN) {
        expect(STORE, '=', op, 0);
        error = store_error;
    }
    for (int i = bottom - 1; i >= 0; i--) {
        expect(i, '<', op, error);
        if (i == up_place && up == WEIR_FAIL)
            error = ENOMEM;
        if (i == up_place && up == WEIR_COMPLETE)
            error = 0;
    }
    return error;
}

/* ---- probes that give it ----------------------------------------------------- */

static bool by_resume; /* DEFER, and resume with the verdict before returning */

static enum weir_verdict give(struct weir_request *req, enum weir_verdict verdict, int error)
{
    if (!by_resume)
        return verdict == WEIR_FAIL ? weir_fail(req, error) : verdict;
    if (verdict == WEIR_FAIL)
        weir_resume_error(req, error);
    else
        weir_resume(req, verdict);
    return WEIR_DEFER;
}

static enum weir_verdict give_down(struct probe *p, struct weir_request *req)
{
    return give(req, p->verdict, ENOSPC);
}

static enum weir_verdict give_up(struct probe *p, struct weir_request *req)
{
    return give(req, p->verdict, ENOMEM);
}

static void down_verdicts(void)
{
    for (int place = 0; place < CHAIN; place++)
        for (enum weir_verdict verdict = WEIR_PASS; verdict <= WEIR_FAIL; verdict++)
            for (int i = 0; i < OPS; i++) {
                probes[place].down = give_down;
                probes[place].verdict = verdict;
                forget();
                int answer = expect_walk(all_ops[i], place, verdict, -1, WEIR_PASS);
                assert_int_equal(ask_any(all_ops[i]), answer);
                assert_string_equal(told(), expected);
                probes[place].down = NULL;
            }
}

static void up_verdicts(void)
{
    for (int place = 0; place < CHAIN; place++)
        for (enum weir_verdict verdict = WEIR_PASS; verdict <= WEIR_FAIL; verdict++)
            for (int i = 0; i < OPS; i++) {
                probes[place].up = give_up;
                probes[place].verdict = verdict;
                forget();
                int answer = expect_walk(all_ops[i], -1, WEIR_PASS, place, verdict);
                assert_int_equal(ask_any(all_ops[i]), answer);
                assert_string_equal(told(), expected);
                probes[place].up = NULL;
            }
}

static void test_down_verdict_of_each_op_at_each_place(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    by_resume = false;
    down_verdicts();
}

static void test_down_verdict_resumed_before_return(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    by_resume = true;
    down_verdicts();
    by_resume = false;
}

static void test_up_verdict_of_each_op_at_each_place(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    up_verdicts();
}

static void test_up_verdict_resumed_before_return(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    by_resume = true;
    up_verdicts();
    by_resume = false;
}

static void test_up_verdict_over_a_failed_store(void **state)
{
    (void)state;
    store_answer = store_fails;
    assert_int_equal(stage_open(CHAIN), 0);
    store_error = EIO;
    up_verdicts();
    by_resume = true;
    up_verdicts();
    by_resume = false;
    store_error = 0;
}

/* FAIL below and a repair above: the one in the middle sees the error, the top does not. */
static void test_fail_below_cleared_in_the_middle(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    probes[2].down = give_down;
    probes[2].verdict = WEIR_FAIL;
    probes[1].up = give_up;
    probes[1].verdict = WEIR_COMPLETE;
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>w 2>w 1<w!ENOSPC 0<w");
}

/* ---- errors ------------------------------------------------------------------ */

static enum weir_verdict fail_as_told(struct probe *p, struct weir_request *req)
{
    return weir_fail(req, p->error);
}

static void test_client_gets_errors_that_nbd_carries(void **state)
{
    static const struct {
        int given, expected;
    } rows[] = { { EPERM, EPERM },        { EIO, EIO },       { ENOMEM, ENOMEM },
                 { ENOSPC, ENOSPC },      { EINVAL, EINVAL }, { ESHUTDOWN, ESHUTDOWN },
                 { EOPNOTSUPP, ENOTSUP }, { ESTALE, EIO },    { EDQUOT, ENOSPC },
                 { EROFS, EPERM } };

    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    probes[1].down = fail_as_told;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        probes[1].error = rows[i].given;
        assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), rows[i].expected);
    }
}

static enum weir_verdict fail_without_saying(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    return WEIR_FAIL;
}

static void test_fail_without_an_error_is_eio(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    probes[1].down = fail_without_saying;
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    assert_string_equal(told(), "0>r 1>r 0<r!EIO");
    probes[1].down = NULL;
    probes[1].up = fail_without_saying;
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
}

static enum weir_verdict nonsense(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    return (enum weir_verdict)77;
}

static void test_unknown_verdict_fails_and_is_reported(void **state)
{
    (void)state;
    assert_int_equal(stage_open(CHAIN), 0);
    probes[1].down = nonsense;
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    assert_true(event_says("probe1", "verdict"));
}

/* ---- missing functions ------------------------------------------------------- */

static void test_filter_without_functions_passes(void **state)
{
    (void)state;
    probes[1].library.filter.down = NULL;
    probes[2].library.filter.up = NULL;
    assert_int_equal(stage_open(CHAIN), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 2>r s=r 1<r 0<r");
}

static void test_no_filters(void **state)
{
    (void)state;
    assert_int_equal(stage_open(0), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "s=r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_down_verdict_of_each_op_at_each_place),
        STAGE_TEST(test_down_verdict_resumed_before_return),
        STAGE_TEST(test_up_verdict_of_each_op_at_each_place),
        STAGE_TEST(test_up_verdict_resumed_before_return),
        STAGE_TEST(test_up_verdict_over_a_failed_store),
        STAGE_TEST(test_fail_below_cleared_in_the_middle),
        STAGE_TEST(test_client_gets_errors_that_nbd_carries),
        STAGE_TEST(test_fail_without_an_error_is_eio),
        STAGE_TEST(test_unknown_verdict_fails_and_is_reported),
        STAGE_TEST(test_filter_without_functions_passes),
        STAGE_TEST(test_no_filters),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
