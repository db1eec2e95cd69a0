/* test-cost.c - is what requests cost learnt from what they took?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Simulated: a backend of known costs, seen through the scheduler. */
#include "sim-case.h"

#include <math.h>

static struct cost cost;

/* ns for each request, and for each of its bytes. */
static void start(double read_op, double read_byte, double write_op, double write_byte)
{
    forget(NULL);
    sim = sim_create(8, 0, 200);
    sim->op_ns[0] = read_op;
    sim->op_ns[1] = write_op;
    sim->byte_ns[0] = read_byte;
    sim->byte_ns[1] = write_byte;
    cost_init(&cost);
    sim_control(sim, NULL, &cost);
}

static double truth(enum cost_op op, uint64_t bytes)
{
    double small = sim->op_ns[0] + sim->byte_ns[0] * 4096;

    return (sim->op_ns[op] + sim->byte_ns[op] * (double)bytes) / small;
}

static void assert_cost(enum cost_op op, uint64_t bytes, double expected, double error)
{
    double is = cost_of(&cost, op, bytes) / 256.0;

    if (fabs(is / expected - 1) > error) {
        print_error("op %d of %lu bytes costs %.3f, not %.3f +- %.0f %%\n", op,
                    (unsigned long)bytes, is, expected, error * 100);
        fail();
    }
}

static void assert_learnt(double error)
{
    static const uint64_t sizes[] = { 4096, 32768, 262144 };

    for (enum cost_op op = COST_READ; op <= COST_WRITE; op++)
        for (int i = 0; i < 3; i++)
            assert_cost(op, sizes[i], truth(op, sizes[i]), error);
}

static void add(uint64_t size, uint64_t other, unsigned writes, unsigned phase)
{
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1000 },
                                       .depth = 256,
                                       .size = size,
                                       .other_size = other,
                                       .writes = writes,
                                       .phase = phase });
}

static void test_before_anything_is_learnt(void **state)
{
    (void)state;
    cost_init(&cost);
    assert_int_equal(cost_of(&cost, COST_READ, 4096), 256);
    assert_int_equal(cost_of(&cost, COST_WRITE, 4096), 256);
    assert_int_equal(cost_of(&cost, COST_FLUSH, 0), 256);
    assert_int_equal(cost_of(&cost, COST_ZERO, 1ull << 40), 256);
    assert_cost(COST_READ, 1 << 20, 32.875, 0.001);
    assert_true(cost_of(&cost, COST_WRITE, UINT64_MAX) > 1 << 20);
    cost_learn(&cost, &(struct cost_sample){ 0 });
    cost_learn(&cost, &(struct cost_sample){ .span = 1 });
    assert_int_equal(cost_of(&cost, COST_READ, 4096), 256);
}

/* Half 4 KiB and half 128 KiB, a third writes: what a period had of each is chance. */
static void test_a_random_mix(void **state)
{
    (void)state;
    start(50e3, 2, 150e3, 1.5);
    add(4096, 131072, 33, 0);
    sim_run(sim, 10 * S);
    assert_learnt(0.1);
}

static void test_reads_then_writes(void **state)
{
    (void)state;
    start(50e3, 1, 100e3, 3);
    add(4096, 65536, 10, 100);
    sim_run(sim, 10 * S);
    assert_learnt(0.1);
}

/* A backend whose requests take the same time whatever their size. */
static void test_size_does_not_matter(void **state)
{
    (void)state;
    start(100e3, 0, 100e3, 0);
    add(4096, 65536, 50, 0);
    sim_run(sim, 10 * S);
    assert_cost(COST_READ, 4096, 1, 0.03);
    assert_cost(COST_WRITE, 4096, 1, 0.1);
    /* a byte costs a quarter of the rule at least */
    assert_cost(COST_READ, 65536, 1 + 0.25 * 60 / 32, 0.1);
}

/* Only the sum is told; what it consists of stays as it was. */
static void test_a_constant_mix_does_not_drift(void **state)
{
    struct cost_sample s = { .span = 10 * MS,
                             .op = { { .count = 500, .bytes = 500 * 4096 },
                                     { .count = 50, .bytes = 50 * 65536 } } };

    (void)state;
    cost_init(&cost);
    srandom(7);
    for (int i = 0; i < 360000; i++) { /* an hour */
        s.span = (uint64_t)(10 * MS * (0.95 + 0.1 * (double)random() / RAND_MAX));
        cost_learn(&cost, &s);
    }
    assert_cost(COST_READ, 4096, 1, 0.01);
    assert_cost(COST_READ, 65536, 0.875 + 2, 0.1);
    assert_cost(COST_WRITE, 4096, 1, 0.1);
    assert_cost(COST_WRITE, 65536, 0.875 + 2, 0.1);
    assert_cost(COST_ZERO, 0, 1, 0.1);
}

/* … also when it had been learnt before. */
static void test_what_was_learnt_stays(void **state)
{
    (void)state;
    start(50e3, 2, 150e3, 1.5);
    add(4096, 131072, 33, 0);
    sim_run(sim, 10 * S);
    struct cost_sample s = { .span = 10 * MS, .op = { { .count = 1378, .bytes = 1378 * 4096 } } };
    for (int i = 0; i < 6000; i++) /* only small reads, for a minute */
        cost_learn(&cost, &s);
    assert_learnt(0.15);
    s.span *= 3; /* the backend is slower as a whole: the ratios are the same */
    for (int i = 0; i < 6000; i++)
        cost_learn(&cost, &s);
    assert_learnt(0.2);
}

static void test_zeroes_are_learnt(void **state)
{
    (void)state;
    cost_init(&cost);
    srandom(8);
    for (int i = 0; i < 1000; i++) {
        uint64_t reads = (uint64_t)random() % 100, zeroes = (uint64_t)random() % 100;
        cost_learn(&cost, &(struct cost_sample){
                              .span = reads * 100000 + zeroes * 40000,
                              .op = { { .count = reads, .bytes = reads * 4096 },
                                      [COST_ZERO] = { .count = zeroes, .bytes = zeroes << 20 } } });
    }
    assert_cost(COST_ZERO, 1 << 20, 0.4, 0.05);
    assert_cost(COST_READ, 4096, 1, 0.01);
}

/* Whatever is measured, what the data path is told stays between 1/4 and 4 times the rule. */
static void test_nonsense_is_bounded(void **state)
{
    (void)state;
    cost_init(&cost);
    unsigned seed = 9;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 100000; i++) {
        struct cost_sample s = { .span = 1ull << (random() % 40) };
        for (int op = 0; op < COST_OPS; op++) {
            s.op[op].count = (uint64_t)random() % (1u << random() % 20);
            s.op[op].bytes = s.op[op].count * ((uint64_t)random() % (1u << 25));
        }
        cost_learn(&cost, &s);
        for (enum cost_op op = 0; op < COST_FLUSH; op++)
            assert_in_range(cost_of(&cost, op, 0), 256 * 7 / 8 / 4 - 1, 256 * 4 + 1);
        assert_in_range(cost_of(&cost, COST_WRITE, 32768), 256 * 15 / 8 / 4 - 1,
                        256 * 15 / 8 * 4 + 1);
    }
}

/* One disk of small reads beside one of large writes: each gets half of the units. */
/* Servers that all take as long end 32 requests at a time, so that 10 ms hold one batch or two,
 * and a disk that reads one block at a time says little of what a read costs: neither may be
 * taken for knowledge. */
static void test_a_rare_reader_beside_a_writer(void **state)
{
    (void)state;
    forget(NULL);
    sim = sim_create(32, 4 * MS, 144);
    cost_init(&cost);
    sim_control(sim, NULL, &cost);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1000 }, .depth = 1 });
    sim_add(sim, &(struct sim_client){
                     .set = { .shares = 1000 }, .depth = 64, .size = 65536, .writes = 100 });
    for (int second = 0; second < 20; second++) {
        sim_run(sim, S);
        assert_cost(COST_READ, 4096, 1, 0.02);
        assert_cost(COST_WRITE, 65536, 2.875, 0.15);
    }
}

static void test_shares_of_a_mix(void **state)
{
    (void)state;
    start(50e3, 2, 150e3, 1.5);
    struct sim_client *a = sim_add(
        sim, &(struct sim_client){ .set = { .shares = 1000 }, .depth = 256, .other_size = 65536 });
    struct sim_client *b = sim_add(sim, &(struct sim_client){ .set = { .shares = 2000 },
                                                              .depth = 256,
                                                              .size = 262144,
                                                              .other_size = 4096,
                                                              .writes = 70 });
    sim_run(sim, 2 * S);
    for (int second = 0; second < 5; second++) {
        uint64_t before_a = a->disk.went, before_b = b->disk.went;
        sim_run(sim, S);
        double ratio = (double)(b->disk.went - before_b) / (double)(a->disk.went - before_a);
        assert_true(fabs(ratio / 2 - 1) < 0.05);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_anything_is_learnt),
        cmocka_unit_test_teardown(test_a_random_mix, forget),
        cmocka_unit_test_teardown(test_reads_then_writes, forget),
        cmocka_unit_test_teardown(test_size_does_not_matter, forget),
        cmocka_unit_test(test_a_constant_mix_does_not_drift),
        cmocka_unit_test_teardown(test_what_was_learnt_stays, forget),
        cmocka_unit_test(test_zeroes_are_learnt),
        cmocka_unit_test(test_nonsense_is_bounded),
        cmocka_unit_test_teardown(test_a_rare_reader_beside_a_writer, forget),
        cmocka_unit_test_teardown(test_shares_of_a_mix, forget),
    };
    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
