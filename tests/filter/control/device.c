/* device.c - what does a device do that a test stops and lets go?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

struct device devices[RIG_DEVICES];

/* ---- devices ------------------------------------------------------------------ */

void device_init(struct device *d)
{
    *d = (struct device){ .lock = PTHREAD_MUTEX_INITIALIZER,
                          .go = PTHREAD_COND_INITIALIZER,
                          .server = PTHREAD_MUTEX_INITIALIZER };
}

void device_stop(unsigned device, uint32_t ops)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    d->stands = ops;
    d->let = 0;
    d->noted = 0;
    pthread_cond_broadcast(&d->go);
    pthread_mutex_unlock(&d->lock);
}

void device_let(unsigned device, unsigned count)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    d->let += count;
    pthread_cond_broadcast(&d->go);
    pthread_mutex_unlock(&d->lock);
}

void device_go(unsigned device)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    d->stands = 0;
    pthread_cond_broadcast(&d->go);
    pthread_mutex_unlock(&d->lock);
}

unsigned device_inside(unsigned device)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    unsigned inside = d->inside;
    pthread_mutex_unlock(&d->lock);
    return inside;
}

unsigned device_reached(unsigned device)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    unsigned reached = d->reached;
    pthread_mutex_unlock(&d->lock);
    return reached;
}

unsigned device_saw(unsigned device, enum weir_op op)
{
    struct device *d = &devices[device];

    pthread_mutex_lock(&d->lock);
    unsigned reached = d->of_op[op];
    pthread_mutex_unlock(&d->lock);
    return reached;
}

/* ---- the store ---------------------------------------------------------------- */

struct image {
    unsigned disk, device;
};

static int image_open(void *self, const struct store_image *at, const void *config,
                      struct weir_text *why)
{
    struct image *image = self;

    (void)config;
    (void)why;
    return sscanf(at->image, "%u %u", &image->disk, &image->device) == 2 ? 0 : -EINVAL;
}

static void image_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = RIG_SIZE,
                                        .block_min = 1,
                                        .block_preferred = 4096,
                                        .block_max = 32 * MIB,
                                        .ops = WEIR_ALL_OPS,
                                        .fast_zero = true };
}

static int image_serve(void *self, struct weir_request *req)
{
    const struct image *image = self;
    struct device *d = &devices[image->device];

    pthread_mutex_lock(&d->lock);
    if (d->noted < sizeof d->order / sizeof *d->order) {
        d->order[d->noted].disk = image->disk;
        d->order[d->noted++].offset = req->offset;
    }
    d->reached++;
    d->of_op[req->op]++;
    d->inside++;
    while ((d->stands & WEIR_OP(req->op)) && !d->let)
        pthread_cond_wait(&d->go, &d->lock);
    if (d->stands & WEIR_OP(req->op))
        d->let--;
    d->inside--;
    pthread_mutex_unlock(&d->lock);
    unsigned pause = atomic_load(&d->pause_us);
    if (pause) {
        pthread_mutex_lock(&d->server);
        usleep(pause);
        pthread_mutex_unlock(&d->server);
    }
    if (atomic_load(&d->error))
        return atomic_load(&d->error);
    return req->op == WEIR_EXTENTS ? weir_add_extent(req->data, req->offset, req->length, 0) : 0;
}

static int image_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self;
    (void)name;
    (void)why;
    return 0;
}

static void image_close(void *self)
{
    (void)self;
}

static const struct weir_option no_options[] = { { 0 } };
const struct store_type image_store = {
    .name = "rig",
    .summary = "Answers when the test says so.",
    .self_size = sizeof(struct image),
    .config_size = 8,
    .options = no_options,
    .open = image_open,
    .geometry = image_geometry,
    .serve = image_serve,
    .snapshot = image_snapshot,
    .close = image_close,
};
