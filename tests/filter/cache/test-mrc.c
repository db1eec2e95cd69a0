/* test-mrc.c - is the estimated miss-ratio curve that of an LRU cache?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exact.h"
#include "mrc.h"

static uint64_t state;

static double random_part(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 0x1p53;
}

static int begin(void **unused)
{
    const char *seed = getenv("WEIR_SEED");

    (void)unused;
    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_message("WEIR_SEED=%llu\n", (unsigned long long)state);
    return 0;
}

/* ---- traces ------------------------------------------------------------------ */

/* Rank r is asked for with a probability of 1 / r^skew; ranks lie anywhere on the disk. */
static void zipf(struct trace *trace, size_t blocks, double skew, size_t count)
{
    double *sum = malloc(blocks * sizeof(*sum)), all = 0;

    assert_non_null(sum);
    for (size_t i = 0; i < blocks; i++)
        sum[i] = all += pow((double)(i + 1), -skew);
    while (count--) {
        double wanted = random_part() * all;
        size_t low = 0, high = blocks - 1;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (sum[middle] < wanted)
                low = middle + 1;
            else
                high = middle;
        }
        trace_add(trace, low * 7919 % 1000003);
    }
    free(sum);
}

static void loop(struct trace *trace, size_t blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        trace_add(trace, i % blocks);
}

static void uniform(struct trace *trace, size_t blocks, size_t count)
{
    while (count--)
        trace_add(trace, (uint64_t)(random_part() * (double)blocks));
}

/* ---- is it right? ------------------------------------------------------------ */

static size_t estimate(const struct trace *trace, struct mrc_point *point, size_t *watched,
                       double *rate)
{
    enum { LOOKS = 1 << 20 };
    struct mrc *mrc;
    size_t looks = 0;

    assert_int_equal(mrc_create(&mrc), 0);
    *watched = 0;
    for (size_t i = 0; i < trace->count; i++)
        if (mrc_watches(mrc, trace->key[i])) {
            mrc_note(mrc, trace->key[i]);
            ++*watched;
        }
    mrc_total(mrc, trace->count);
    assert_int_equal(mrc_references(mrc), trace->count);
    for (uint64_t i = 0; i < LOOKS; i++)
        looks += mrc_watches(mrc, i << 20 | i);
    *rate = (double)looks / LOOKS;
    size_t ret = mrc_curve(mrc, point);
    mrc_destroy(mrc);
    return ret;
}

struct errors {
    double all;   /* mean over all sizes up to that of all blocks, as the paper has it */
    double sound; /* mean over the points whose size is that of SOUND watched blocks or more */
    double worst; /* of these */
    double guess; /* the worst of all points */
};
enum { SOUND = 64 };

static struct errors errors_of(const char *name, const struct trace *trace)
{
    struct mrc_point point[MRC_POINTS];
    uint64_t blocks[MRC_POINTS];
    double exact[MRC_POINTS], rate;
    size_t watched, sound = 0, points = estimate(trace, point, &watched, &rate);
    struct errors ret = { 0 };

    assert_true(points > 0 && points <= MRC_POINTS);
    for (size_t i = 0; i < points; i++) {
        blocks[i] = point[i].blocks;
        assert_true(point[i].misses >= 0 && point[i].misses <= 1);
        assert_true(!i || point[i].blocks > point[i - 1].blocks);
        assert_true(!i || point[i].misses <= point[i - 1].misses);
    }
    exact_lru(trace, blocks, exact, points);
    for (size_t i = 0; i < points; i++) {
        double error = fabs(point[i].misses - exact[i]);
        double sizes = (double)(blocks[i] - (i ? blocks[i - 1] : 0));
        ret.guess = fmax(ret.guess, error);
        ret.all += error * sizes / (double)blocks[points - 1];
        if ((double)blocks[i] * rate < SOUND && i + 1 < points)
            continue;
        ret.sound += error;
        ret.worst = fmax(ret.worst, error);
        sound++;
    }
    ret.sound /= (double)sound;
    print_message("%s: %zu references, %zu watched, rate %.3f, %zu points: mean error %.4f; of %zu "
                  "points %.4f, worst %.4f\n",
                  name, trace->count, watched, rate, points, ret.all, sound, ret.sound, ret.worst);
    return ret;
}

static double sum_of_errors; /* of the traces so far, for the last test to judge */
static unsigned checked;

static void check(const char *name, struct trace *trace)
{
    struct errors errors = errors_of(name, trace);

    trace_free(trace);
    assert_true(errors.all <= 0.01);
    assert_true(errors.sound <= 0.02); /* chance: 8,192 blocks are known to 1.1 % */
    assert_true(errors.worst <= 0.05);
    assert_true(errors.guess <= 0.2);
    sum_of_errors += errors.sound;
    checked++;
}

static void few_blocks_are_all_watched_and_the_curve_is_exact(void **unused)
{
    struct trace trace = { 0 };

    (void)unused;
    zipf(&trace, MRC_SAMPLES - 1, 0.9, 200000); /* the times are given anew several times */
    struct errors errors = errors_of("few", &trace);
    trace_free(&trace);
    assert_true(errors.all < 1e-9 && errors.worst < 1e-9);
}

static void zipf_of_many_blocks(void **unused)
{
    struct trace trace = { 0 };

    (void)unused;
    zipf(&trace, 100000, 1.0, 600000);
    check("zipf 1.0", &trace);
    zipf(&trace, 400000, 0.8, 800000);
    check("zipf 0.8", &trace);
    zipf(&trace, 200000, 1.2, 600000);
    check("zipf 1.2", &trace);
}

static void a_loop_has_a_cliff(void **unused)
{
    struct trace trace = { 0 };

    (void)unused;
    loop(&trace, 60000, 600000);
    check("loop", &trace);
    loop(&trace, 120000, 600000);
    uniform(&trace, 20000, 300000);
    check("loop, then uniform", &trace);
}

static void uniform_is_a_line(void **unused)
{
    struct trace trace = { 0 };

    (void)unused;
    uniform(&trace, 150000, 900000);
    check("uniform", &trace);
}

static void the_mean_error_of_all_is_small(void **unused)
{
    (void)unused;
    assert_true(checked > 0);
    print_message("mean of %u traces: %.4f\n", checked, sum_of_errors / checked);
    assert_true(sum_of_errors / checked <= 0.01);
}

/* The folder is given by who has it. */
static void real_traces(void **unused)
{
    const char *folder = getenv("WEIR_TRACES");
    DIR *open = folder ? opendir(folder) : NULL;
    unsigned found = 0;

    (void)unused;
    if (!open) {
        print_message("skipped: WEIR_TRACES names no folder of traces\n");
        skip();
    }
    for (struct dirent *entry; (entry = readdir(open));) {
        struct trace trace = { 0 };
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (trace_read(&trace, path))
            continue;
        check(entry->d_name, &trace);
        found++;
    }
    closedir(open);
    assert_true(found > 0);
}

/* ---- the rest ---------------------------------------------------------------- */

/* Guests like strides: of each the same part is watched, but for chance. */
static void no_stride_is_watched_more_or_less(void **unused)
{
    enum { SETTLE = 1 << 20, COUNT = 40000 };
    struct mrc *mrc;

    (void)unused;
    assert_int_equal(mrc_create(&mrc), 0);
    for (uint64_t i = 0; i < SETTLE; i++)
        mrc_note(mrc, i);
    for (uint64_t stride = 1; stride <= 4096; stride++) {
        double watched = 0, expected = (double)COUNT * MRC_SAMPLES / SETTLE;
        for (uint64_t i = 0; i < COUNT; i++)
            watched += mrc_watches(mrc, ((uint64_t)5 << 34) + i * stride);
        if (fabs(watched - expected) > 6 * sqrt(expected))
            fail_msg("stride %u: %g watched, not %g", (unsigned)stride, watched, expected);
    }
    mrc_destroy(mrc);
}

static void without_references_there_is_no_curve(void **unused)
{
    struct mrc_point point[MRC_POINTS];
    struct mrc *mrc;

    (void)unused;
    assert_int_equal(mrc_create(&mrc), 0);
    assert_int_equal(mrc_curve(mrc, point), 0);
    assert_int_equal(mrc_references(mrc), 0);
    assert_true(mrc_watches(mrc, 0));
    mrc_note(mrc, 0); /* never seen before: it would have missed with any size */
    assert_int_equal(mrc_curve(mrc, point), 1);
    assert_true(point[0].blocks == 1 && point[0].misses == 1);
    mrc_destroy(mrc);
    mrc_destroy(NULL);
}

static void what_was_is_forgotten_by_and_by(void **unused)
{
    enum { BLOCKS = 3000 };
    struct mrc_point point[MRC_POINTS];
    struct mrc *mrc;
    double before, after;

    (void)unused;
    assert_int_equal(mrc_create(&mrc), 0);
    for (uint64_t i = 0; i < 100 * BLOCKS; i++) /* hits of a cache of 3000 alone */
        mrc_note(mrc, i % BLOCKS);
    assert_true(mrc_curve(mrc, point) > 0);
    before = point[0].misses;
    assert_true(before == 1);
    for (unsigned i = 0; i < 10; i++)
        mrc_fade(mrc);
    assert_int_equal(mrc_references(mrc), llround(100 * BLOCKS / 1024.0));
    for (uint64_t i = 0; i < 100 * BLOCKS; i++) /* hits of any cache */
        mrc_note(mrc, 7);
    assert_true(mrc_curve(mrc, point) > 0);
    after = point[0].misses;
    assert_true(after < 0.01);
    mrc_destroy(mrc);
}

/* How much a request pays: printed, not judged. */
static void a_look_is_cheap(void **unused)
{
    enum { LOOKS = 20000000 };
    struct timespec from, to;
    struct mrc *mrc;
    uint64_t watched = 0;

    (void)unused;
    assert_int_equal(mrc_create(&mrc), 0);
    for (uint64_t i = 0; i < 1 << 20; i++)
        mrc_note(mrc, i);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (uint64_t i = 0; i < LOOKS; i++)
        watched += mrc_watches(mrc, i);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print_message("%.2f ns each, %llu watched\n",
                  ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
                      LOOKS,
                  (unsigned long long)watched);
    mrc_destroy(mrc);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_blocks_are_all_watched_and_the_curve_is_exact),
        cmocka_unit_test(zipf_of_many_blocks),
        cmocka_unit_test(a_loop_has_a_cliff),
        cmocka_unit_test(uniform_is_a_line),
        cmocka_unit_test(real_traces),
        cmocka_unit_test(the_mean_error_of_all_is_small),
        cmocka_unit_test(no_stride_is_watched_more_or_less),
        cmocka_unit_test(without_references_there_is_no_curve),
        cmocka_unit_test(what_was_is_forgotten_by_and_by),
        cmocka_unit_test(a_look_is_cheap),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
