/* array.c - what does an array do that is a disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

int (*store_answer)(struct weir_request *);
uint8_t store_disk[DISK];
int store_event_error;
const char *store_name;
static uint64_t store_size;

void array_reset(void)
{
    store_answer = NULL;
    store_event_error = 0;
    store_name = NULL;
    store_size = DISK;
    memset(store_disk, 0, sizeof(store_disk));
}

int store_like_a_disk(struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
        memcpy(req->data, store_disk + req->offset, req->length);
        return 0;
    case WEIR_WRITE:
        memcpy(store_disk + req->offset, req->data, req->length);
        return 0;
    case WEIR_TRIM:
    case WEIR_ZERO:
        memset(store_disk + req->offset, 0, req->length);
        return 0;
    case WEIR_EXTENTS:
        return weir_add_extent(req->data, req->offset, req->length, 0);
    default:
        return 0;
    }
}

static int store_serve(void *self, struct weir_request *req)
{
    (void)self;
    write_down(STORE, '=', req);
    return store_answer ? store_answer(req) : store_like_a_disk(req);
}

static int store_open(void *self, const struct store_image *image, const void *config,
                      struct weir_text *why)
{
    (void)self;
    (void)image;
    (void)config;
    (void)why;
    return 0;
}

static void store_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = store_size,
                                        .block_min = 1,
                                        .block_preferred = 4096,
                                        .block_max = 32 << 20,
                                        .ops = WEIR_ALL_OPS,
                                        .fast_zero = true };
}

static int store_grow(void *self, uint64_t size, struct weir_text *why)
{
    (void)self;
    (void)why;
    if (!store_event_error)
        store_size = size; /* the array does not grow: no test writes there */
    return store_event_error;
}

static int store_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self;
    (void)name;
    (void)why;
    return store_event_error;
}

static int store_identity(void *self, struct weir_identity *ret)
{
    (void)self;
    if (!store_name)
        return -ENOTSUP;
    snprintf(ret->name, sizeof(ret->name), "%s", store_name);
    ret->changed = 17;
    return 0;
}

static void store_close(void *self)
{
    (void)self;
}

static const struct weir_option array_options[] = { { 0 } };
const struct store_type array_store = {
    .name = "stage",
    .summary = "An array.",
    .self_size = 8,
    .config_size = 8,
    .options = array_options,
    .open = store_open,
    .geometry = store_geometry,
    .serve = store_serve,
    .grow = store_grow,
    .snapshot = store_snapshot,
    .close = store_close,
    .identity = store_identity,
};
