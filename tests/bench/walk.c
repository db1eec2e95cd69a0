/* walk.c - what does one filter cost a request, with nothing else around it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-walk [ROUNDS [REQUESTS]]
 *
 * Serves 4 KiB reads from a store that does nothing through 0 to 8 pass filters, on
 * one thread, and prints the CPU time of each.  The chain lengths take turns in each
 * round, so that what disturbs the machine disturbs all of them; medians are shown.
 * The exit status never depends on a time. */
#include "events.h"
#include "gateway.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILTERS_MAX = 8, ROUNDS_MAX = 101, GOAL_NS = 50 };

/* ---- a store that does nothing ----------------------------------------------- */

static int null_open(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    (void)self, (void)image, (void)config, (void)why;
    return 0;
}

static void null_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = 1ull << 30,
                                        .block_min = 1,
                                        .block_preferred = 4096,
                                        .block_max = 32u << 20,
                                        .ops = WEIR_ALL_OPS };
}

static int null_serve(void *self, struct weir_request *req)
{
    (void)self, (void)req;
    return 0;
}

static void null_close(void *self)
{
    (void)self;
}

static const struct store_type null_store = {
    .name = "null",
    .summary = "Does nothing.",
    .self_size = 1,
    .open = null_open,
    .geometry = null_geometry,
    .serve = null_serve,
    .close = null_close,
};

/* ---- the exports ------------------------------------------------------------- */

static void die(const char *what, const struct weir_text *why)
{
    fprintf(stderr, "bench-walk: %s: %s\n", what, text_string(why));
    exit(1);
}

static struct export *make_export(int filters)
{
    cleanup_text struct weir_text why = { 0 };
    struct plan plan = { .count = (size_t)filters };
    struct export_config config = { 0 };
    struct export *e;
    char name[32];

    snprintf(name, sizeof(name), "walk%d", filters);
    config.name = strdup(name);
    if (datastore_create(&(struct datastore_setup){ .type = &null_store }, &config.datastore) < 0)
        die("the datastore", &why);
    for (int i = 0; i < filters; i++) {
        struct plan_filter *f = &plan.filter[i];
        if (loader_get("pass", &f->library, &why) < 0)
            die("the filter", &why);
        if (settings_create(f->library->filter.options, f->library->filter.config_size,
                            &f->settings, &why) < 0)
            die("its options", &why);
        snprintf(name, sizeof(name), "pass-%d", i + 1);
        f->label = strdup(name);
    }
    if (export_create(&config, &plan, &e) < 0 || export_open(e, &why) < 0)
        die("the export", &why);
    return e;
}

static void say_nothing(enum weir_severity severity, const char *line)
{
    (void)severity, (void)line;
}

/* ---- the measuring ----------------------------------------------------------- */

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double serve_many(struct export *e, unsigned long requests)
{
    static char data[4096];
    uint64_t start = cpu_ns();

    for (unsigned long i = 0; i < requests; i++) {
        struct weir_request req = {
            .op = WEIR_READ, .offset = i % 1024 * 4096, .length = sizeof(data), .data = data
        };
        if (export_serve(e, &req) != 0) {
            fprintf(stderr, "bench-walk: a request failed\n");
            exit(1);
        }
    }
    return (double)(cpu_ns() - start) / (double)requests;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of `count` numbers; sorts them. */
static double median(double *numbers, int count)
{
    qsort(numbers, (size_t)count, sizeof(*numbers), compare);
    return numbers[count / 2];
}

static void report(double took[FILTERS_MAX + 1][ROUNDS_MAX], int rounds)
{
    double each[ROUNDS_MAX];

    /* before the sorting: the two ends of one round were neighbours in time */
    for (int r = 0; r < rounds; r++)
        each[r] = (took[FILTERS_MAX][r] - took[0][r]) / FILTERS_MAX;
    printf("filters  ns per request [min-max]\n");
    for (int n = 0; n <= FILTERS_MAX; n++) {
        double m = median(took[n], rounds);
        printf("%7d  %7.1f [%.1f-%.1f]\n", n, m, took[n][0], took[n][rounds - 1]);
    }
    double m = median(each, rounds);
    printf("each pass filter, statistics included: %.1f ns [%.1f-%.1f]\n", m, each[0],
           each[rounds - 1]);
    printf("goal: at most %d ns per pass filter: %s\n", GOAL_NS, m <= GOAL_NS ? "met" : "NOT MET");
}

int main(int argc, char **argv)
{
    static double took[FILTERS_MAX + 1][ROUNDS_MAX];
    int rounds = argc > 1 ? atoi(argv[1]) : 11;
    unsigned long requests = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    struct export *e[FILTERS_MAX + 1];

    if (rounds < 1 || rounds > ROUNDS_MAX || requests < 1) {
        fprintf(stderr, "usage: bench-walk [ROUNDS [REQUESTS]]; at most %d rounds\n", ROUNDS_MAX);
        return 2;
    }
    const char *run = getenv("WEIR_RUN"), *state = getenv("WEIR_STATE");
    const char *filters = getenv("WEIR_FILTERS");
    if (places_init("bench", run ? run : "/tmp", state ? state : "/tmp", filters ? filters : "") ||
        loader_path(filters ? filters : "")) {
        fprintf(stderr, "bench-walk: no memory\n");
        return 1;
    }
    events_log_to(say_nothing);
    for (int n = 0; n <= FILTERS_MAX; n++)
        e[n] = make_export(n);
    for (int n = 0; n <= FILTERS_MAX; n++)
        serve_many(e[n], requests / 10 + 1); /* caches and pages */
    for (int r = 0; r < rounds; r++)
        for (int n = 0; n <= FILTERS_MAX; n++)
            took[n][r] = serve_many(e[n], requests);
    report(took, rounds);
    for (int n = 0; n <= FILTERS_MAX; n++) {
        export_close(e[n]);
        export_unref(e[n]);
    }
    places_finish();
    return 0;
}
