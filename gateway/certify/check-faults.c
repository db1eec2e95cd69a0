/* check-faults.c - what does the filter do with a store that fails, lags or hangs?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { LENGTH = 8192 };

/* In shared memory: what the client was told before the process was killed. */
struct told {
    int write, flush;
    uint64_t faults; /* 0: the flush did not reach the store, which is another check's subject */
};

static const int errors[] = { EIO, ENOSPC, EPERM, ENOMEM };
static const enum weir_op ops[] = { WEIR_READ, WEIR_WRITE, WEIR_FLUSH, WEIR_TRIM, WEIR_ZERO };
static const char *const op_words[] = { "read", "write", "flush", "trim", "zero" };

/* An answer while the store fails; it must be one of NBD's. */
static int fails(struct kit *k, size_t op, uint64_t at, char *data, int error)
{
    media_fault(k->media, WEIR_OP(ops[op]), error, UINT64_MAX);
    int told = ask(k, ops[op], op == 2 ? 0 : at, op == 2 ? 0 : LENGTH, 0, data);
    media_calm(k->media);
    int alien = atomic_load(&above.alien);
    if (alien)
        fail(k, "a %s that failed below with %s failed above with %s, which NBD does not carry",
             op_words[op], errno_word(error), errno_word(alien));
    return told;
}

static void must_read(struct kit *k, uint64_t at, int byte, const char *when)
{
    char data[LENGTH];
    int error = ask(k, WEIR_READ, at, LENGTH, 0, data);

    if (error)
        fail(k, "a read failed with %s %s", errno_word(error), when);
    for (int i = 0; i < LENGTH; i++)
        if (data[i] != (char)byte)
            fail(k, "an acknowledged write is not there %s: the error was swallowed", when);
}

/* Writes, reads and zeroes: what was answered with success is there. */
static void one_fault(struct kit *k, size_t op, int error)
{
    const uint64_t at = 1 << 20;
    char data[LENGTH];

    memset(data, 1, LENGTH);
    if (ask(k, WEIR_WRITE, at, LENGTH, WEIR_FUA, data))
        fail(k, "a write failed, and the store does not");
    memset(data, 2, LENGTH);
    int told = fails(k, op, at, data, error);
    if (!told && ops[op] == WEIR_READ)
        for (int i = 0; i < LENGTH; i++)
            if (data[i] != 1)
                fail(k, "a read that failed below with %s was answered with other bytes",
                     errno_word(error));
    if (!told && ops[op] == WEIR_WRITE)
        must_read(k, at, 2, "after the store had refused it");
    if (!told && ops[op] == WEIR_ZERO)
        must_read(k, at, 0, "after the store had refused it");
}

/* What was told is true for whoever opens the disk next, too. */
static void flush_story(struct kit *k, void *arg)
{
    struct told *t = arg;
    char data[LENGTH];

    rig_open(k, true);
    memset(data, 3, LENGTH);
    t->write = ask(k, WEIR_WRITE, 2 << 20, LENGTH, 0, data);
    uint64_t before = atomic_load(&k->media->faults);
    t->flush = fails(k, 2, 0, NULL, EIO);
    t->faults = atomic_load(&k->media->faults) - before;
    atomic_store(&k->media->killed, true);
    kill(getpid(), SIGKILL);
}

static void flush_end(struct kit *k, void *arg)
{
    const struct told *t = arg;

    rig_open(k, true);
    if (!t->write && !t->flush && t->faults)
        must_read(k, 2 << 20, 3, "after a flush that failed below and a power cut");
    rig_close(k);
}

static void flush_fails(struct kit *k)
{
    struct told *t =
        mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (t == MAP_FAILED)
        fail(k, "no memory");
    for (int i = 0; i < 4; i++) { /* a power cut leaves some of it by chance */
        in_process(k, flush_story, t);
        media_power_cut(k->media, &k->random);
        in_process(k, flush_end, t);
    }
}

static void all_faults(struct kit *k, void *arg)
{
    (void)arg;
    rig_open(k, true);
    for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++)
        for (size_t op = 0; op < sizeof(ops) / sizeof(*ops); op++)
            one_fault(k, op, errors[e]);
    char data[LENGTH];
    memset(data, 4, LENGTH);
    if (ask(k, WEIR_WRITE, 1 << 20, LENGTH, 0, data) || ask(k, WEIR_FLUSH, 0, 0, 0, NULL))
        fail(k, "the disk does not work any more after errors that are over");
    must_read(k, 1 << 20, 4, "after errors that are over");
    rig_close(k);
}

void check_errors(struct kit *k)
{
    in_process(k, all_faults, NULL);
    flush_fails(k);
}

/* ---- time -------------------------------------------------------------------------- */

static void wait_for_answers(struct kit *k, struct load *l, uint64_t more)
{
    const uint64_t until = atomic_load(&l->answered) + more, began = now_ns();

    while (atomic_load(&l->answered) < until) {
        if (now_ns() - began > 30000000000u * slowness())
            fail(k, "requests are not answered any more");
        usleep(1000);
    }
}

void check_slow(struct kit *k)
{
    struct load load = { .errors_are_fine = true };
    struct area area;

    rig_open(k, true);
    area_create(&area, k, 0, 1 << 20);
    area.count = 60;
    area_work(&area);
    load_start(&load, k, 4 << 20, 8 << 20, 4);
    atomic_store(&k->media->delay, 5000000);
    wait_for_answers(k, &load, 20);
    atomic_store(&k->media->delay, 0);
    atomic_store(&k->media->hung, true);
    usleep(200000); /* how long it hangs decides nothing */
    atomic_store(&k->media->hung, false);
    wait_for_answers(k, &load, 50);
    media_fault(k->media, WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_READ), EIO, 5); /* and heals */
    wait_for_answers(k, &load, 200);
    media_calm(k->media);
    load_end(&load);
    area_compare(&area);
    area_work(&area);
    area_compare(&area);
    area_finish(&area);
    rig_close(k);
}

void check_above(struct kit *k)
{
    struct load load = { .errors_are_fine = true };
    const uint64_t began = now_ns();
    struct area area;

    rig_open(k, true);
    area_create(&area, k, 0, 1 << 20);
    area.count = 60;
    atomic_store(&above.fail_down, 3);
    atomic_store(&above.fail_up, 5);
    load_start(&load, k, 4 << 20, 8 << 20, 4);
    while (time_left(k, began) || atomic_load(&load.answered) < 200)
        usleep(1000);
    load_end(&load);
    atomic_store(&above.fail_down, 0);
    atomic_store(&above.fail_up, 0);
    if (!atomic_load(&load.failed))
        fail(k, "the filter above refused requests and the client was not told");
    area_work(&area);
    area_compare(&area);
    area_finish(&area);
    rig_close(k);
}

/* ---- the hold limit ------------------------------------------------------------------ */

static unsigned held_by(struct kit *k)
{
    struct export_view view;
    unsigned held = 0;

    if (export_view(k->export, &view))
        fail(k, "no memory");
    for (size_t i = 0; i < view.count; i++)
        if (strcmp(view.filter[i].label, k->label) == 0)
            held = view.filter[i].held;
    export_view_finish(&view);
    return held;
}

/* A store that hangs is why a filter holds what waits for its own I/O. */
void check_hold(struct kit *k)
{
    struct load load = { .errors_are_fine = true };
    const uint64_t limit = 100000000;
    unsigned most = 0;

    k->hold_limit = limit;
    rig_open(k, true);
    load_start(&load, k, 0, 8 << 20, 8);
    wait_for_answers(k, &load, 20);
    atomic_store(&k->media->hung, true);
    for (const uint64_t began = now_ns(); now_ns() - began < 8 * limit; usleep(1000)) {
        unsigned held = held_by(k);
        most = held > most ? held : most;
    }
    media_calm(k->media);
    load_end(&load);
    if (strstr(misuse, "did not let go"))
        fail(k, "%u requests were held, and not let go of when abort() was called", most);
    rig_close(k);
    if (!most)
        not_applicable(k, "it held no request while the store hung");
    figure(k, "held at once", most, "requests");
}
