/* sample-stores.c - stores for the tests of the configuration: a disk that holds nothing
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sample-stores.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

_Atomic bool sample_refuses;
_Atomic unsigned sample_opened, sample_open;

struct sample_config {
    const char *path;
    uint64_t latency;
    bool fast;
};

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct sample_config, path, .flags = WEIR_REQUIRED, .help = "Where."),
    WEIR_OPTION_TIME(struct sample_config, latency, .fallback = "0", .max = 1000000000,
                     .help = "How slow."),
    WEIR_OPTION_BOOL(struct sample_config, fast, .fallback = "false", .help = "How fast."),
    { 0 },
};

static const struct weir_option no_options[] = { { 0 } };

static int sample_check(const void *config, struct weir_text *why)
{
    const struct sample_config *c = config;

    if (!c->fast || !c->latency)
        return 0;
    weir_print(why, "it cannot be fast and have a latency");
    return -EINVAL;
}

static int sample_open_image(void *self, const struct store_image *image, const void *config,
                             struct weir_text *why)
{
    (void)config;
    if (sample_refuses) {
        weir_print(why, "the datastore is away");
        return -EIO;
    }
    *(uint64_t *)self = image->size ? image->size : 1 << 20;
    sample_opened++;
    sample_open++;
    return 0;
}

static void sample_close(void *self)
{
    (void)self;
    sample_open--;
}

static void sample_geometry(void *self, struct weir_geometry *g)
{
    *g = (struct weir_geometry){ .size = *(uint64_t *)self,
                                 .block_min = 1,
                                 .block_preferred = 4096,
                                 .block_max = 1 << 25,
                                 .ops = WEIR_ALL_OPS };
}

static int sample_serve(void *self, struct weir_request *req)
{
    (void)self;
    if (req->op == WEIR_READ)
        memset(req->data, 0, req->length);
    return 0;
}

static int sample_space(const void *config, const char *folder, struct store_space *space)
{
    (void)config;
    (void)folder;
    *space = (struct store_space){ 1000, 400 };
    return 0;
}

static const char *sample_folder(const void *config)
{
    return ((const struct sample_config *)config)->path;
}

static int sample_point(const char *image, bool *written, struct weir_text *why)
{
    (void)why;
    *written = strchr(image, '+') != NULL;
    return 0;
}

static const struct store_type file = {
    .name = "file",
    .summary = "A sample.",
    .self_size = sizeof(uint64_t),
    .config_size = sizeof(struct sample_config),
    .options = options,
    .check = sample_check,
    .open = sample_open_image,
    .geometry = sample_geometry,
    .serve = sample_serve,
    .close = sample_close,
    .space = sample_space,
    .folder = sample_folder,
};
static const struct store_type memory = {
    .name = "memory",
    .summary = "Another sample.",
    .self_size = sizeof(uint64_t),
    .options = no_options,
    .open = sample_open_image,
    .geometry = sample_geometry,
    .serve = sample_serve,
    .close = sample_close,
    .point = sample_point,
};

static const struct store_type *const types[] = { &file, &memory, NULL };

const struct store_type *const *store_types(void)
{
    return types;
}

const struct store_type *store_find(const char *name)
{
    for (const struct store_type *const *t = types; *t; t++) {
        if (!strcmp((*t)->name, name))
            return *t;
    }
    return NULL;
}
