/* walk.c - what does one filter cost a request, with nothing else around it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-walk [ROUNDS [REQUESTS]]
 *
 * Serves 4 KiB reads from a store that does nothing through 0 to 8 pass filters, on
 * one thread, and prints the CPU time of each.  The chain lengths take turns in each
 * round, so that what disturbs the machine disturbs all of them; medians are shown.
 * The exit status never depends on a time. */
#include "rig.h"

#include <stdio.h>

enum { FILTERS_MAX = 8, GOAL_NS = 50 };

static void report(double took[FILTERS_MAX + 1][ROUNDS_MAX], int rounds)
{
    double each[ROUNDS_MAX];

    /* before the sorting: the two ends of one round were neighbours in time */
    for (int r = 0; r < rounds; r++)
        each[r] = (took[FILTERS_MAX][r] - took[0][r]) / FILTERS_MAX;
    printf("filters  ns per request [min-max]\n");
    for (int n = 0; n <= FILTERS_MAX; n++) {
        double m = bench_median(took[n], rounds);
        printf("%7d  %7.1f [%.1f-%.1f]\n", n, m, took[n][0], took[n][rounds - 1]);
    }
    double m = bench_median(each, rounds);
    printf("each pass filter, statistics included: %.1f ns [%.1f-%.1f]\n", m, each[0],
           each[rounds - 1]);
    printf("goal: at most %d ns per pass filter: %s\n", GOAL_NS, m <= GOAL_NS ? "met" : "NOT MET");
}

int main(int argc, char **argv)
{
    static double took[FILTERS_MAX + 1][ROUNDS_MAX];
    struct export *e[FILTERS_MAX + 1];
    struct bench bench;
    char name[32];

    bench_init(&bench, "bench-walk", 100000, argc, argv);
    for (int n = 0; n <= FILTERS_MAX; n++) {
        snprintf(name, sizeof(name), "walk%d", n);
        e[n] = bench_export(name, "pass", n);
    }
    for (int n = 0; n <= FILTERS_MAX; n++)
        bench_reads(e[n], bench.requests / 10 + 1); /* caches and pages */
    for (int r = 0; r < bench.rounds; r++)
        for (int n = 0; n <= FILTERS_MAX; n++)
            took[n][r] = bench_reads(e[n], bench.requests);
    report(took, bench.rounds);
    for (int n = 0; n <= FILTERS_MAX; n++)
        bench_close(e[n]);
    bench_finish();
    return 0;
}
