/* rig.c - what do the benches in process share?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "events.h"
#include "gateway.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ---- the process ------------------------------------------------------------- */

static void die(const char *what, const struct weir_text *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why ? text_string(why) : "no memory");
    exit(1);
}

static void say_nothing(enum weir_severity severity, const char *line)
{
    (void)severity, (void)line;
}

void bench_init(struct bench *b, const char *name, unsigned long requests, int argc, char **argv)
{
    *b = (struct bench){ name, argc > 1 ? atoi(argv[1]) : 11,
                         argc > 2 ? strtoul(argv[2], NULL, 10) : requests };
    if (b->rounds < 1 || b->rounds > ROUNDS_MAX || b->requests < 1) {
        fprintf(stderr, "usage: %s [ROUNDS [REQUESTS]]; at most %d rounds\n", name, ROUNDS_MAX);
        exit(2);
    }
    const char *run = getenv("WEIR_RUN"), *state = getenv("WEIR_STATE");
    const char *filters = getenv("WEIR_FILTERS");
    if (places_init("bench", run ? run : "/tmp", state ? state : "/tmp", filters ? filters : "") ||
        loader_path(filters ? filters : ""))
        die(name, NULL);
    events_log_to(say_nothing);
}

void bench_finish(void)
{
    places_finish();
}

/* ---- the exports ------------------------------------------------------------- */

struct export *bench_export(const char *name, const char *filter, int count)
{
    cleanup_text struct weir_text why = { 0 };
    struct plan plan = { .count = (size_t)count };
    struct export_config config = { .name = strdup(name) };
    struct export *e;
    char label[64];

    if (datastore_create(&(struct datastore_setup){ .name = name, .type = &null_store },
                         &config.datastore) < 0)
        die("the datastore", &why);
    for (int i = 0; i < count; i++) {
        struct plan_filter *f = &plan.filter[i];
        if (loader_get(filter, &f->library, &why) < 0)
            die("the filter", &why);
        if (settings_create(f->library->filter.options, f->library->filter.config_size,
                            &f->settings, &why) < 0)
            die("its options", &why);
        snprintf(label, sizeof(label), "%s-%d", filter, i + 1);
        f->label = strdup(label);
    }
    if (export_create(&config, &plan, &e) < 0 || export_open(e, &why) < 0)
        die("the export", &why);
    return e;
}

double bench_reads(struct export *e, unsigned long requests)
{
    static char data[4096];
    uint64_t start = bench_cpu_ns();

    for (unsigned long i = 0; i < requests; i++) {
        struct weir_request req = {
            .op = WEIR_READ, .offset = i % 1024 * 4096, .length = sizeof(data), .data = data
        };
        if (export_serve(e, &req) != 0)
            die("a request", NULL);
    }
    return (double)(bench_cpu_ns() - start) / (double)requests;
}

void bench_close(struct export *e)
{
    export_close(e);
    export_unref(e);
}

/* ---- figures ----------------------------------------------------------------- */

uint64_t bench_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *numbers, int count)
{
    qsort(numbers, (size_t)count, sizeof(*numbers), compare);
    return numbers[count / 2];
}
