/* scheduler.c - what does I/O control cost a request?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-scheduler [ROUNDS [REQUESTS]]
 *
 * CPU time of one thread, the median of the rounds:
 *  - idle: reads of a store that does nothing, with the filter as a gateway loads it, with
 *    one that does nothing, and without; the three take turns in each round;
 *  - congested: the scheduler alone, while all disks wait: one request completes, the next
 *    one goes, and the disk of the first sends another;
 *  - activation: the first request of a disk, while others wait.
 * The exit status never depends on a time. */
#include "scheduler.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { IDLE_NS = 50, CONGESTED_NS = 150, ACTIVATION_NS = 1000 };
enum { DISKS_MAX = 10000, DEPTH = 4, WINDOW = 36, SERVICE = 125000, NEW = 1000 };

static void print(const char *what, double *took, int rounds, int goal)
{
    double median = bench_median(took, rounds);

    printf("%-44s %7.1f ns [%.1f-%.1f], goal <= %d: %s\n", what, median, took[0], took[rounds - 1],
           goal, median <= goal ? "met" : "NOT MET");
}

/* ---- idle -------------------------------------------------------------------- */

static void bench_idle(const struct bench *bench)
{
    struct export *bare = bench_export("bare", "control", 0);
    struct export *with = bench_export("with", "control", 1);
    struct export *pass = bench_export("pass", "pass", 1);
    double own[ROUNDS_MAX], passed[ROUNDS_MAX];

    bench_reads(with, bench->requests / 10 + 1); /* caches and pages */
    for (int r = 0; r < bench->rounds; r++) {
        double without = bench_reads(bare, bench->requests);
        double took = bench_reads(with, bench->requests);
        passed[r] = bench_reads(pass, bench->requests) - without;
        own[r] = took - without - passed[r];
    }
    print("idle, more than a filter that does nothing", own, bench->rounds, IDLE_NS);
    printf("  (that one, which is the walk: %.1f ns)\n", bench_median(passed, bench->rounds));
    bench_close(bare);
    bench_close(with);
    bench_close(pass);
}

/* ---- congested --------------------------------------------------------------- */

/* All disks have DEPTH requests; WINDOW of all are in flight. */
struct crowd {
    struct scheduler scheduler;
    int disks;
    struct disk *disk;
    struct item *item; /* DEPTH of each disk */
    struct item *flight[WINDOW];
    unsigned long done;
    uint64_t now;
};

static void submit(struct crowd *c, struct item *i)
{
    struct disk *d = i->disk;

    *i = (struct item){ .disk = d, .units = 1, .load = LOAD_ONE, .bytes = 4096 };
    if (scheduler_submit(&c->scheduler, i, c->now))
        c->flight[c->done++ % WINDOW] = i;
}

static void add_disk(struct crowd *c, int n, uint64_t reservation)
{
    static const uint64_t shares[] = { 500, 1000, 2000, 1 };
    const struct disk_settings to = { .shares = shares[n % 4], .reservation = reservation };

    if (!scheduler_add(&c->scheduler, &c->disk[n]))
        exit(1);
    scheduler_set(&c->scheduler, &c->disk[n], &to, c->now);
}

static struct crowd *make_crowd(int disks, uint64_t reservation)
{
    struct crowd *c = calloc(1, sizeof *c);

    if (!c)
        exit(1);
    scheduler_init(&c->scheduler);
    c->scheduler.window = WINDOW * LOAD_ONE;
    c->now = 1000000000;
    c->disks = disks;
    c->disk = calloc((size_t)disks + NEW, sizeof *c->disk);
    c->item = calloc(((size_t)disks + NEW) * DEPTH, sizeof *c->item);
    if (!c->disk || !c->item)
        exit(1);
    for (int n = 0; n < disks + NEW; n++)
        add_disk(c, n, n < disks ? reservation : 0);
    for (int i = 0; i < disks * DEPTH; i++) {
        c->item[i].disk = &c->disk[i / DEPTH];
        submit(c, &c->item[i]);
    }
    return c;
}

static void free_crowd(struct crowd *c)
{
    scheduler_finish(&c->scheduler);
    free(c->disk);
    free(c->item);
    free(c);
}

/* ns for one that completes, one that goes, one that comes. */
static double turn(struct crowd *c, unsigned long requests)
{
    uint64_t start = bench_cpu_ns();

    for (unsigned long n = 0; n < requests; n++) {
        struct item **place = &c->flight[n % WINDOW], *i = *place;
        c->now += SERVICE;
        scheduler_complete(&c->scheduler, i, c->now);
        *place = scheduler_next(&c->scheduler, c->now);
        if (!*place || scheduler_submit(&c->scheduler, i, c->now))
            abort(); /* somebody always waits, so that nobody goes at once */
    }
    return (double)(bench_cpu_ns() - start) / (double)requests;
}

/* ns for the first request of each of NEW disks; they leave again, in no time. */
static double activate(struct crowd *c)
{
    struct item *item = &c->item[(size_t)c->disks * DEPTH];

    for (int i = 0; i < NEW; i++)
        item[i] = (struct item){
            .disk = &c->disk[c->disks + i], .units = 1, .load = LOAD_ONE, .bytes = 4096
        };
    uint64_t start = bench_cpu_ns();
    for (int i = 0; i < NEW; i++)
        if (scheduler_submit(&c->scheduler, &item[i], c->now))
            abort();
    double took = (double)(bench_cpu_ns() - start) / NEW;
    for (int i = 0; i < NEW; i++) {
        scheduler_force(&c->scheduler, &item[i], c->now);
        scheduler_complete(&c->scheduler, &item[i], c->now);
    }
    return took;
}

static void bench_crowd(const struct bench *bench, int disks, uint64_t reservation)
{
    struct crowd *c = make_crowd(disks, reservation);
    double took[ROUNDS_MAX], first[ROUNDS_MAX];
    char what[64];

    turn(c, bench->requests / 10 + 1);
    activate(c);
    for (int r = 0; r < bench->rounds; r++) {
        took[r] = turn(c, bench->requests);
        first[r] = activate(c);
    }
    const char *kind = reservation ? ", each with a reservation" : "";
    snprintf(what, sizeof what, "congested, %d disks%s", disks, kind);
    print(what, took, bench->rounds, CONGESTED_NS);
    snprintf(what, sizeof what, "activation, %d disks wait%s", disks, kind);
    print(what, first, bench->rounds, ACTIVATION_NS);
    free_crowd(c);
}

int main(int argc, char **argv)
{
    static const int crowds[] = { 10, 1000, DISKS_MAX };
    struct bench bench;

    bench_init(&bench, "bench-scheduler", 100000, argc, argv);
    bench_idle(&bench);
    for (int reserved = 0; reserved < 2; reserved++)
        for (int i = 0; i < 3; i++)
            /* half of what the datastore does is promised, to all the same */
            bench_crowd(&bench, crowds[i], reserved ? (uint64_t)(4000 / crowds[i]) + 1 : 0);
    bench_finish();
    return 0;
}
