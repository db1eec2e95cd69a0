/* emulate.c - how does any store become a device of known speed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A request takes its turn in the device's schedule when it arrives, is served by the
 * real store meanwhile, and answered when the schedule says, or when the real store is
 * done if that is later.  Nothing cuts the wait short, as nothing does on a slow disk. */
#include "emulate.h"
#include "clock.h"
#include "schedule.h"
#include "scope.h"

#include <errno.h>
#include <sys/prctl.h>

struct emulation {
    pthread_mutex_t lock; /* the schedule, and that arrivals are in order; a leaf, held for
                             one step of it: nobody sleeps or does I/O under it */
    struct schedule *schedule;
};

/* A store behind the device: its table is the real one's, but for what goes through here. */
struct emulated {
    struct store_type type;
    const struct store_type *real;
    void *real_self;
    struct emulation *device;
};

int emulation_create(const struct datastore_keys *keys, uint64_t seed, struct emulation **ret)
{
    *ret = NULL;
    if (!keys->emulate.servers)
        return 0;
    struct emulation *device = calloc(1, sizeof *device);
    if (!device)
        return -ENOMEM;
    int err =
        schedule_create((size_t)keys->emulate.servers, keys->emulate.service_time,
                        (enum distribution)keys->emulate.distribution, seed, &device->schedule);
    if (err) {
        free(device);
        return err;
    }
    pthread_mutex_init(&device->lock, NULL);
    *ret = device;
    return 0;
}

void emulation_destroy(struct emulation *device)
{
    if (!device)
        return;
    schedule_destroy(device->schedule);
    pthread_mutex_destroy(&device->lock);
    free(device);
}

/* ---- one request ------------------------------------------------------------- */

uint64_t emulate_services(const struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
    case WEIR_WRITE:
        return req->length > SERVICE_BYTES ? (req->length - 1) / SERVICE_BYTES + 1 : 1;
    case WEIR_FLUSH:
    case WEIR_TRIM:
    case WEIR_ZERO:
        return 1;
    default: /* what a device answers from what it knows */
        return 0;
    }
}

static uint64_t queue_up(struct emulation *device, uint64_t services)
{
    hold_lock(&device->lock);

    return schedule_take(device->schedule, clock_ns(), services);
}

/* The kernel may be 50 us late by a thread's usual timer slack, which is given back: the
 * thread is the client's, and serves other disks. */
static void sleep_until(uint64_t when)
{
    const struct timespec until = { .tv_sec = (time_t)(when / 1000000000u),
                                    .tv_nsec = (long)(when % 1000000000u) };

    if (clock_ns() >= when)
        return;
    int slack = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 1ul);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    if (slack > 0)
        prctl(PR_SET_TIMERSLACK, (unsigned long)slack);
}

static int emulated_serve(void *self, struct weir_request *req)
{
    struct emulated *e = self;
    uint64_t services = emulate_services(req);

    if (!services)
        return e->real->serve(e->real_self, req);
    uint64_t done = queue_up(e->device, services);
    int err = e->real->serve(e->real_self, req);
    sleep_until(done);
    return err;
}

/* ---- the rest is the real store's ---------------------------------------------- */

static void emulated_geometry(void *self, struct weir_geometry *g)
{
    const struct emulated *e = self;

    e->real->geometry(e->real_self, g);
}

static int emulated_grow(void *self, uint64_t size, struct weir_text *why)
{
    const struct emulated *e = self;

    return e->real->grow(e->real_self, size, why);
}

static int emulated_snapshot(void *self, const char *name, struct weir_text *why)
{
    const struct emulated *e = self;

    return e->real->snapshot(e->real_self, name, why);
}

static int emulated_identity(void *self, struct weir_identity *ret)
{
    const struct emulated *e = self;

    return e->real->identity(e->real_self, ret);
}

static void emulated_close(void *self)
{
    struct emulated *e = self;

    e->real->close(e->real_self);
    free(e->real_self);
}

int emulate_store(struct emulation *device, const struct store_type **type, void **self)
{
    struct emulated *e = calloc(1, sizeof *e);

    if (!e)
        return -ENOMEM;
    *e = (struct emulated){ .type = **type, .real = *type, .real_self = *self, .device = device };
    e->type.self_size = sizeof *e;
    e->type.geometry = emulated_geometry;
    e->type.serve = emulated_serve;
    e->type.grow = e->real->grow ? emulated_grow : NULL;
    e->type.snapshot = e->real->snapshot ? emulated_snapshot : NULL;
    e->type.identity = e->real->identity ? emulated_identity : NULL;
    e->type.close = emulated_close;
    *type = &e->type;
    *self = e;
    return 0;
}
